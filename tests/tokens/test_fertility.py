from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from domainlm.tokens.fertility import measure


def test_figures_of_a_vocabulary_small_enough_to_check_by_hand():
    vocabulary = {"Ġ": 0, "a": 1, "b": 2, "Ġa": 3, "Ġab": 4}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("Ġ", "a"), ("Ġa", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    # " ab" is one token, " aa" two: 4 tokens of 9 bytes; words ab, ab, aa: 4 tokens for 3 words, 2 of them whole.
    measured = measure(tokenizer, [[" ab ab"], [" aa"]])
    assert measured == pytest.approx({"bytes_per_token": 9 / 4, "tokens_per_word": 4 / 3, "words_kept_whole": 2 / 3})


def test_each_domain_with_held_out_text_is_measured(trained):
    fertility = trained().facts["fertility"]
    assert list(fertility) == ["general", "law"]
    for figures in fertility.values():
        assert figures["bytes_per_token"] > 1.2
        assert 1 <= figures["tokens_per_word"] < 5
        assert 0 < figures["words_kept_whole"] < 1
