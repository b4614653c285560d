from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from domainlm.errors import DataError, ManifestError
from domainlm.tokens.tokenizer import end_token_id, load, load_folder, vocab_size

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["a<|endoftext|>b", "  two  spaces\n\n\ttab\r\n", "1234567890", "\u2028\u0085\ufeff", "नमस्ते 🏳️‍🌈", ""]
)


@pytest.fixture
def finished(trained):
    return trained()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXTS)
def test_no_text_becomes_the_end_token(finished, text):
    batch = load(finished).encode_batch_fast([text, f"<|endoftext|>{text}"], add_special_tokens=False)
    assert all(end_token_id(finished) not in encoding.ids for encoding in batch)


def test_transformers_loads_the_folder_and_gives_the_same_tokens(finished):
    theirs = AutoTokenizer.from_pretrained(finished.folder / "tokenizer")
    ours = load(finished)
    for text in ("law acts 12: abc def.\n", "a<|endoftext|>b", "  x"):
        assert theirs(text, add_special_tokens=False).input_ids == ours.encode(text, add_special_tokens=False).ids
    assert theirs.eos_token_id == theirs.bos_token_id == end_token_id(finished)
    assert len(theirs) == vocab_size(ours) == finished.facts["vocab_size"] == 400


def test_a_tokenizer_with_other_bytes_than_its_manifest_says_is_refused(finished):
    path = finished.folder / "tokenizer" / "tokenizer.json"
    path.write_text(path.read_text().replace('"vocab"', '"vocab" '))
    with pytest.raises(ManifestError, match=r"tokenizer\.json has changed since it was made"):
        load(finished)


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    with pytest.raises(DataError, match=r"has no tokenizer\.json"):
        load_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="is no tokenizer"):
        load_folder(tmp_path)
