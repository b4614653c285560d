from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from domainlm.plan.shape import Shape, flops_per_token
from domainlm.tokens.advice import advice
from domainlm.tokens.compare import Compared, Fit, compare, hit_rate
from domainlm.tokens.picture import draw

SHAPE = Shape(
    num_parameters=1100,
    num_layers=1,
    hidden_size=10,
    intermediate_size=20,
    num_heads=1,
    num_kv_heads=1,
    vocab_size=5,
    tied_embeddings=True,
    gated_mlp=True,
)


def tokenizer(*merges: tuple[str, str]) -> Tokenizer:
    pieces = ["Ġ", "a", "b", *(left + right for left, right in merges)]
    made = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, list(merges)))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


BASE, LARGER = tokenizer(("Ġ", "a")), tokenizer(("Ġ", "a"), ("Ġa", "b"))


def test_a_comparison_small_enough_to_check_by_hand():
    base, larger = compare(
        {"base": BASE, "larger": LARGER}, {"law": [[" ab ab"]]}, {"law": ["ab", "ab aa"]}, SHAPE, sequence_tokens=4
    )
    # The base cuts " ab ab" into (Ġa b)(Ġa b): 4 tokens of 6 bytes, two kinds twice; the larger into 2 of one kind.
    assert (base.fits[0].num_tokens, larger.fits[0].num_tokens) == (4, 2)
    assert base.fits[0].renyi_efficiency == pytest.approx(math.log(2) / math.log(4))
    assert larger.fits[0].renyi_efficiency == 0
    assert base.fits[0].code_bits_per_byte == pytest.approx(4 * math.log2(4) / 6)
    assert (base.fits[0].terms_hit, larger.fits[0].terms_hit) == (0, 0.5)
    assert (base.num_parameters, larger.num_parameters) == (1100 - 10, 1100)
    assert larger.flops_per_token == flops_per_token(SHAPE, 4)
    assert larger.fits[0].flops_per_byte == pytest.approx(larger.flops_per_token * 2 / 6)
    assert larger.keeps_ids and not compare({"l": LARGER, "b": BASE}, {}, {}, SHAPE, sequence_tokens=4)[1].keeps_ids


def test_a_term_is_hit_where_none_of_its_words_is_cut():
    assert hit_rate(LARGER, ["ab", "ab ab", "aa", "b"]) == 0.5


def test_a_vocabulary_adds_a_row_to_one_table_where_they_are_tied_and_to_two_where_not():
    assert SHAPE.with_vocabulary(7).num_parameters == 1120
    assert replace(SHAPE, tied_embeddings=False).with_vocabulary(7).num_parameters == 1140


def compared(
    name: str, law: int, general: int, *, keeps_ids: bool, vocab_size: int = 2000, flops: int = 100
) -> Compared:
    def fit(domain: str, num_tokens: int) -> Fit:
        figures = dict.fromkeys(
            ("bytes_per_token", "tokens_per_word", "words_kept_whole", "renyi_efficiency", "code_bits_per_byte"), 1.0
        )
        return Fit(
            domain=domain,
            num_bytes=1000,
            num_tokens=num_tokens,
            terms_hit=None,
            flops_per_byte=num_tokens * flops / 1000,
            **figures,
        )

    return Compared(
        name=name,
        vocab_size=vocab_size,
        shared_tokens=1.0,
        keeps_ids=keeps_ids,
        num_parameters=1,
        embedding_parameters=1,
        flops_per_token=flops,
        fits=(fit("law", law), fit("general", general)),
    )


BEFORE = compared("before", 1000, 1000, keeps_ids=True, vocab_size=1000)


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([compared("more", 800, 1000, keeps_ids=True)], "Extend: more takes 20.0% fewer tokens on law, "),
        ([compared("more", 970, 1000, keeps_ids=True)], "Leave before as it is. "),
        # Half of what the tokens save is spent on them: 0.8 x 1.2.
        ([compared("dear", 800, 1000, keeps_ids=True, flops=120)], "Leave before as it is. "),
        ([compared("other", 800, 1000, keeps_ids=False)], "Replace: other "),
        ([compared("other", 900, 1000, keeps_ids=False)], "Leave before as it is. "),
        (
            [compared("more", 800, 1000, keeps_ids=True), compared("other", 750, 1000, keeps_ids=False)],
            "Extend: more ",
        ),
        (
            [compared("more", 800, 1000, keeps_ids=True), compared("other", 600, 1000, keeps_ids=False)],
            "Replace: other ",
        ),
    ],
)
def test_the_advice_weighs_tokens_saved_against_compute_added_and_embeddings_lost(others, wanted):
    assert advice([BEFORE, *others], ["general"]).startswith(wanted)


def test_the_advice_tells_what_general_text_loses():
    said = advice([BEFORE, compared("more", 800, 1030, keeps_ids=True)], ["general"])
    assert "20.0% fewer FLOPs a byte, but 3.0% more tokens on general" in said


def test_the_picture_has_a_bar_for_each_tokenizer_and_figure():
    drawn = draw([BEFORE, compared("<more>", 800, 1000, keeps_ids=True)], "A sentence.")
    assert drawn.count('rx="2"') == 2 * 2 * 4
    assert "&lt;more&gt;" in drawn and "<more>" not in drawn
