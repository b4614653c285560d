from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from domainlm import manifest
from domainlm.errors import DataError, ManifestError
from domainlm.manifest import Manifest, Request
from domainlm.tokens.shards import open_stream
from domainlm.tokens.tokenizer import end_token_id, load
from domainlm.tokens.write import write

ALONE = """
import json, sys
from pathlib import Path
from domainlm.manifest import read
from domainlm.tokens.write import write
made = write(read(Path(sys.argv[1])), read(Path(sys.argv[2])), Path(sys.argv[3]), workers=int(sys.argv[4]))
print(json.dumps([shard.sha256 for shard in made.shards]))
"""


@pytest.fixture
def tokenizer(trained) -> Manifest:
    return trained()


def written(tokenizer: Manifest, corpus: Manifest, folder: Path) -> Manifest:
    request = Request(stage="tokens", name="test", spec={}, seed=0, code="", libraries={}, inputs={})
    return manifest.make(request, folder, lambda folder: write(tokenizer, corpus, folder, workers=2))


def test_each_training_document_comes_back_from_the_shards_in_order(tokenizer, corpus, tmp_path):
    tokens = written(tokenizer, corpus, tmp_path)
    encoder, end = load(tokenizer), end_token_id(tokenizer)
    for shard in corpus.files("text", split="train"):
        stream = open_stream(tokens, shard.domain, shard.source)
        ends = [0, *stream.begins(1, stream.num_tokens).tolist(), stream.num_tokens]
        documents = [stream.tokens(a, b) for a, b in itertools.pairwise(ends)]
        assert all(document[-1] == end for document in documents)
        texts = [encoder.decode(document[:-1], skip_special_tokens=False) for document in documents]
        assert texts == pq.read_table(corpus.path(shard))["text"].to_pylist()


def test_counts_add_up_and_held_out_text_is_never_written(tokenizer, corpus, tmp_path):
    tokens = written(tokenizer, corpus, tmp_path)
    sources = tokens.counts["sources"]
    assert list(sources) == ["general/web", "law/acts", "law/cases"]
    for shard in corpus.files("text", split="train"):
        counted = sources[f"{shard.domain}/{shard.source}"]
        assert (counted["docs"], counted["bytes"]) == (shard.num_docs, shard.text_bytes)
        (file,) = tokens.files("tokens", domain=shard.domain, source=shard.source)
        assert counted["tokens"] == file.num_tokens == tokens.path(file).stat().st_size // 2
    assert {shard.split for shard in tokens.shards} == {"train"}
    assert {"dtype": "uint16", "vocab_size": 400, "end_token_id": 0}.items() <= tokens.facts.items()
    assert not (tokens.folder / "work").exists()


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_bytes_are_the_same_for_any_workers(tokenizer, corpus, tmp_path, workers):
    wanted = [shard.sha256 for shard in write(tokenizer, corpus, tmp_path / "here", workers=2).shards]
    folders = [str(tokenizer.folder), str(corpus.folder), str(tmp_path / "alone")]
    command = [sys.executable, "-c", ALONE, *folders, workers]
    alone = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert json.loads(alone.stdout) == wanted


def test_little_text_is_left_to_the_library_and_the_manifest_says_so(tokenizer, corpus, tmp_path):
    encoder = written(tokenizer, corpus, tmp_path).facts["encoder"]
    assert (encoder["name"], encoder["checked_docs"]) == ("tokenizers", 0)
    num_bytes = sum(shard.text_bytes for shard in corpus.files("text", split="train"))
    assert encoder["reason"] == f"{num_bytes:,} bytes of text are encoded before another encoder is checked"


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_fast_encoder_writes_the_librarys_bytes_for_any_workers(tokenizer, corpus, tmp_path, monkeypatch, workers):
    wanted = [shard.sha256 for shard in write(tokenizer, corpus, tmp_path / "library", workers=2).shards]
    monkeypatch.setattr("domainlm.tokens.write._WORTH_CHECKING_BYTES", 0)
    monkeypatch.setattr(
        "domainlm.tokens.write._BATCH_BYTES", 2000
    )  # many batches, so that threads are in each other's way
    made = write(tokenizer, corpus, tmp_path / "fast", workers=workers)
    assert [shard.sha256 for shard in made.shards] == wanted
    encoder = made.facts["encoder"]
    assert (encoder["name"], encoder["checked_docs"], encoder["mismatches"]) == ("domainlm.bpe", 110, 0)


def test_finished_shards_are_kept_and_unfinished_ones_written_again(tokenizer, corpus, tmp_path):
    finished = written(tokenizer, corpus, tmp_path)
    (finished.folder / manifest.FILE_NAME).unlink()
    kept = finished.path(finished.files("tokens", source="web")[0])
    inode = kept.stat().st_ino
    # As a kill leaves it between the two renames: tokens without ends, and half a file in `work`.
    unfinished = finished.path(finished.files("ends", source="cases")[0])
    unfinished.unlink()
    (finished.folder / "work").mkdir()
    (finished.folder / "work" / "train-00000.bin").write_bytes(b"half")
    assert written(tokenizer, corpus, tmp_path).to_json() == finished.to_json()
    assert kept.stat().st_ino == inode
    finished.verify()


def test_a_corpus_that_holds_fewer_documents_than_it_counted_is_refused(tokenizer, corpus, tmp_path):
    path = corpus.path(corpus.files("text", split="train")[0])
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(DataError, match=r"59 documents, but the corpus counted 60"):
        written(tokenizer, corpus, tmp_path)


def test_a_cut_token_file_is_seen_when_the_stream_is_opened(tokenizer, corpus, tmp_path):
    tokens = written(tokenizer, corpus, tmp_path)
    path = tokens.path(tokens.files("tokens", source="web")[0])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ManifestError, match="general/web holds"):
        open_stream(tokens, "general", "web")
