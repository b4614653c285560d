from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from domainlm.corpus.each import each
from domainlm.errors import StageError
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import chunks
from domainlm.tokens.train import train

ROOT = Path(__file__).parents[2]
SPEC = TokenizerSpec(name="u", algorithm="unigram_in_chunks", vocab_size=450, chunk_bytes=6000)


def made(corpus, folder, run):
    return train(SPEC, corpus, folder, seed=0, root=folder, each=run)


def test_chunks_give_the_same_bytes_in_one_process_and_in_two(corpus, tmp_path):
    alone = made(corpus, tmp_path / "one", chunks.in_turn)
    together = made(corpus, tmp_path / "two", partial(each, workers=2, label="chunks"))
    assert [shard.sha256 for shard in together.shards] == [shard.sha256 for shard in alone.shards]
    assert together.facts["chunks"] == alone.facts["chunks"] > 3
    assert not (tmp_path / "two" / "chunks").exists()


ON_RAY = """
import sys
from pathlib import Path
from domainlm import manifest
from domainlm.corpus.each import each
from functools import partial
from tests.tokens.test_chunks import made

corpus = manifest.read(Path(sys.argv[1]))
found = made(corpus, Path(sys.argv[2]), partial(each, workers=2, label="chunks"))
print(*(shard.sha256 for shard in found.shards))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_chunks_give_the_same_bytes_on_ray(corpus, tmp_path):
    alone = made(corpus, tmp_path / "one", chunks.in_turn)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DOMAINLM_ENGINE": "ray"}
    command = [sys.executable, "-c", ON_RAY, str(corpus.folder), str(tmp_path / "two")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].split() == [shard.sha256 for shard in alone.shards]


def test_chunks_that_are_done_are_not_learnt_again(corpus, tmp_path):
    wanted = made(corpus, tmp_path / "wanted", chunks.in_turn)
    learnt = []

    def stops_after_two(function, items, is_done, logs):
        for item in items:
            if not is_done(item):
                learnt.append(item.text.name)
                if len(learnt) == 3:
                    raise StageError("stopped")
                function(item)

    with pytest.raises(StageError, match="stopped"):
        made(corpus, tmp_path / "killed", stops_after_two)
    again = made(corpus, tmp_path / "killed", stops_after_two)
    assert len(learnt) == len(set(learnt)) + 1 == again.facts["chunks"] + 1
    assert [shard.sha256 for shard in again.shards] == [shard.sha256 for shard in wanted.shards]


def test_each_domain_is_cut_into_chunks_of_its_own_within_the_size_asked(corpus, tmp_path):
    seen = []

    def noting(function, items, is_done, logs):
        seen.extend(items)
        chunks.in_turn(function, items, is_done, logs)

    made(corpus, tmp_path / "out", noting)
    assert {item.domain for item in seen} == {"general", "law"}
    longest_document = 600
    assert all(0 < item.num_bytes <= 6000 + longest_document for item in seen)
