from __future__ import annotations

import os
import subprocess
import sys

import pytest
import transformers

from domainlm.errors import DataError
from domainlm.manifest import read
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens.tokenizer import load
from domainlm.tokens.train import train

AGAIN = """
import sys
from pathlib import Path
from domainlm.manifest import read
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens.train import train
spec = TokenizerSpec(name="small", algorithm="bpe", vocab_size=400)
made = train(spec, read(Path(sys.argv[1])), Path(sys.argv[2]), seed=0, root=Path("."))
print([shard.sha256 for shard in made.shards])
"""


@pytest.mark.parametrize("threads", [{"TOKENIZERS_PARALLELISM": "false"}, {"RAYON_NUM_THREADS": "4"}])
def test_training_twice_gives_the_same_bytes_for_any_threads(corpus, trained, tmp_path, threads):
    wanted = [shard.sha256 for shard in trained().shards]
    command = [sys.executable, "-c", AGAIN, str(corpus.folder), str(tmp_path / "again")]
    environment = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"} | threads
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert again.stdout.strip() == str(wanted)


def test_a_killed_attempts_files_do_not_stay(corpus, trained, tmp_path):
    finished = trained()
    (finished.folder / "tokenizer" / "stray.json").write_text("{}")
    (finished.folder / "manifest.json").unlink()
    assert trained().digest() == finished.digest()
    assert not (finished.folder / "tokenizer" / "stray.json").exists()
    assert read(finished.folder) is not None


def test_digits_are_tokens_one_by_one(trained):
    encoding = load(trained()).encode("in 2024", add_special_tokens=False)
    assert encoding.tokens[-4:] == ["2", "0", "2", "4"]


def test_a_vocabulary_smaller_than_asked_is_an_error_with_the_arithmetic(trained):
    with pytest.raises(DataError) as refused:
        trained(TokenizerSpec(name="large", algorithm="bpe", vocab_size=50_000))
    message = str(refused.value)
    assert "tokenizer large: 50,000 tokens asked, but " in message
    assert "256 bytes + 1 special + " in message
    found = int(message.split("Lower `vocab_size` to ")[1].split(",")[0])
    assert trained(TokenizerSpec(name="large", algorithm="bpe", vocab_size=found)).facts["vocab_size"] == found


def test_a_domain_with_more_of_the_sample_gets_the_better_vocabulary(trained):
    bytes_per_token = {}
    for law in (0.1, 0.9):
        ratio = {"law": law, "general": round(1 - law, 1)}
        spec = TokenizerSpec(name="ratio", algorithm="bpe", vocab_size=350, byte_ratio=ratio, sample_bytes=6000)
        facts = trained(spec).facts
        assert facts["sample_bytes"] == {"law": round(6000 * law), "general": 6000 - round(6000 * law)}
        bytes_per_token[law] = facts["fertility"]["law"]["bytes_per_token"]
    assert bytes_per_token[0.9] > bytes_per_token[0.1]


def test_a_byte_ratio_of_a_domain_without_text_is_refused(trained):
    spec = TokenizerSpec(name="none", algorithm="bpe", vocab_size=300, byte_ratio={"law": 0.5, "sea": 0.5})
    with pytest.raises(DataError, match="the corpus has no training text of sea"):
        trained(spec)


def test_a_pretrained_folder_is_taken_as_it_is(trained, tmp_path):
    base = trained()
    spec = TokenizerSpec(name="taken", pretrained=str((base.folder / "tokenizer").relative_to(tmp_path)))
    taken = trained(spec)
    text = "law acts 3: abc <|endoftext|>"
    assert load(taken).encode(text).ids == load(base).encode(text).ids
    for fact in ("vocab_size", "end_token", "end_token_id", "fertility"):
        assert taken.facts[fact] == base.facts[fact]


def test_a_pretrained_folder_that_is_none_says_where(trained, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="tokenizer empty: "):
        trained(TokenizerSpec(name="taken", pretrained="empty"))


def test_a_pretrained_tokenizer_comes_from_its_locked_revision(corpus, trained, tmp_path, monkeypatch):
    base = trained()
    asked = {}
    real = transformers.AutoTokenizer.from_pretrained

    def from_hub(place, **options):
        asked.update(place=place, revision=options.pop("revision", None))
        return real(base.folder / "tokenizer", **options)

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", from_hub)
    spec = TokenizerSpec(name="taken", pretrained="hf:owner/model")
    train(spec, corpus, tmp_path / "out", seed=0, root=tmp_path, revision="abc")
    assert asked == {"place": "owner/model", "revision": "abc"}


def test_a_pretrained_folder_may_be_named_by_the_environment(trained, tmp_path, monkeypatch):
    base = trained()
    monkeypatch.setenv("TOKENIZERS_FOLDER", str(base.folder))
    taken = trained(TokenizerSpec(name="taken", pretrained="${TOKENIZERS_FOLDER}/tokenizer"))
    assert taken.facts["vocab_size"] == base.facts["vocab_size"]
