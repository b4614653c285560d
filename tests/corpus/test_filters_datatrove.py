"""Filters decide as DataTrove's do, where their rules are the same and their words are those of white space."""

from __future__ import annotations

import random

import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.utils.word_tokenizers import WordTokenizer

from domainlm.corpus.edits import c4_lines
from domainlm.corpus.filters import fineweb_quality, gopher_quality, repetition
from tests.corpus.test_filters import PROSE, of

_WORDS = ["the", "of", "and", "to", "have", "that", "with", "be", "plan", "house", "Rent", "river", "12", "1999"]
_WORDS += ["--", "#", "...", "it’s", "unquestionably"]


class Whitespace(WordTokenizer):
    """Words as our filters have them."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


WHITESPACE = Whitespace()


def texts(num_texts: int) -> list[str]:
    """Texts of up to some hundred words in lines: repeated ones, bullets, ellipses, in some more than in others."""
    shuffle = random.Random(7)
    made = []
    for _ in range(num_texts):
        words = shuffle.sample(_WORDS, shuffle.randint(3, len(_WORDS)))
        lines = ["plan"]
        for _ in range(shuffle.randint(1, 40)):
            line = " ".join(shuffle.choices(words, k=shuffle.randint(1, 14)))
            line = shuffle.choice(["", "", "- ", "- "]) + line + shuffle.choice(["", ".", "!", "...", "…"])
            lines.append(shuffle.choice(lines) if shuffle.random() < 0.2 else line)
        made.append("\n".join(lines))
    return made


def theirs(judge: BaseFilter, text: str) -> str | None:
    """Why DataTrove drops `text`."""
    verdict = judge.filter(Document(text=text, id="0"))
    return verdict[1] if isinstance(verdict, tuple) else None


def ours(module, options, sample: list[str], reason: str) -> list[bool]:
    dropped = dict(module.drops(module.scores(of(*sample)), options))
    return dropped[reason].tolist()


GOPHER = {
    "min_doc_words": ({"min_words": 50}, "fewer than 50 words", "gopher_short_doc"),
    "max_doc_words": ({"max_words": 100}, "more than 100 words", "gopher_long_doc"),
    "min_avg_word_length": (
        {"min_mean_chars": 4.0},
        "words shorter than 4 characters on average",
        "gopher_below_avg_threshold",
    ),
    "max_avg_word_length": (
        {"max_mean_chars": 5.0},
        "words longer than 5 characters on average",
        "gopher_above_avg_threshold",
    ),
    "max_bullet_lines_ratio": ({"max_bullet_line_share": 0.5}, "too many bullets", "gopher_too_many_bullets"),
    "max_ellipsis_lines_ratio": (
        {"max_ellipsis_line_share": 0.3},
        "too many lines that end in an ellipsis",
        "gopher_too_many_end_ellipsis",
    ),
    "max_non_alpha_words_ratio": (
        {"min_letter_word_share": 0.8},
        "too few words with a letter",
        "gopher_below_alpha_threshold",
    ),
    "min_stop_words": ({"min_stop_words": 5}, "fewer than 5 stop words", "gopher_enough_stop_words"),
}
_OFF = dict.fromkeys(GOPHER, None) | {"max_symbol_word_ratio": None}


@pytest.mark.parametrize("rule", GOPHER)
def test_each_of_gophers_rules_drops_the_same_texts(rule: str) -> None:
    options, reason, their_reason = GOPHER[rule]
    judge = GopherQualityFilter(**_OFF | {rule: next(iter(options.values()))}, language=WHITESPACE)
    sample = texts(300)
    wanted = [theirs(judge, text) == their_reason for text in sample]
    assert any(wanted) and not all(wanted)
    assert ours(gopher_quality, gopher_quality.Options(**options), sample, reason) == wanted


@pytest.mark.parametrize(("sign", "reason"), [("hashes", "too many number signs"), ("ellipsis", "too many ellipses")])
def test_gophers_symbols_drop_the_same_texts(sign: str, reason: str) -> None:
    judge = GopherQualityFilter(**_OFF | {"max_symbol_word_ratio": 0.1}, language=WHITESPACE)
    sample = texts(300) if sign == "ellipsis" else [text.replace("...", "#").replace("…", "#") for text in texts(300)]
    if sign == "ellipsis":
        sample = [text.replace("#", "+") for text in sample]
    wanted = [theirs(judge, text) == f"gopher_too_many_{sign}" for text in sample]
    assert any(wanted) and not all(wanted)
    assert ours(gopher_quality, gopher_quality.Options(), sample, reason) == wanted


def test_the_share_of_duplicate_lines_drops_the_same_texts() -> None:
    off = {"dup_para_frac": 0, "dup_para_char_frac": 0, "dup_line_char_frac": 0, "top_n_grams": (), "dup_n_grams": ()}
    judge = GopherRepetitionFilter(**off, language=WHITESPACE)
    wanted = [theirs(judge, text) is not None for text in texts(300)]
    assert any(wanted) and not all(wanted)
    assert ours(repetition, repetition.Options(), texts(300), "duplicate lines") == wanted


FINEWEB = {
    "line_punct_ratio": "too few lines that end with punctuation",
    "short_line_ratio": "too many short lines",
    "char_dup_ratio": "characters in duplicate lines",
    "list_ratio": "too many line ends per word",
}


@pytest.mark.parametrize("rule", FINEWEB)
def test_each_of_finewebs_rules_drops_the_same_texts(rule: str) -> None:
    off = {"line_punct_thr": 0.0, "short_line_thr": 1.0, "char_duplicates_ratio": 1.0, "new_line_ratio": 9.0}
    on = {"line_punct_ratio": ("line_punct_thr", 0.3), "short_line_ratio": ("short_line_thr", 0.5)}
    on |= {"char_dup_ratio": ("char_duplicates_ratio", 0.1), "list_ratio": ("new_line_ratio", 0.15)}
    judge = FineWebQualityFilter(**off | dict([on[rule]]), language=WHITESPACE)
    sample = texts(300)
    wanted = [theirs(judge, text) == rule for text in sample]
    assert any(wanted) and not all(wanted)
    options = fineweb_quality.Options(
        min_punctuated_line_share=0.3, max_short_line_share=0.5, max_newline_word_ratio=0.15
    )
    assert ours(fineweb_quality, options, sample, FINEWEB[rule]) == wanted


def test_c4_leaves_the_same_lines() -> None:
    judge = C4QualityFilter(
        min_num_sentences=-1, filter_lorem_ipsum=False, filter_curly_bracket=False, language=WHITESPACE
    )
    extra = [
        "See [1] and [12].",
        "Enable JavaScript to go on.",
        "We use cookies here.",
        "Two words.",
        "x" * 1001 + " a b.",
    ]
    for text in [*texts(100), PROSE, "\n".join(extra)]:
        document = Document(text=text, id="0")
        assert judge.filter(document) is True
        assert c4_lines.edit(text, c4_lines.Options())[0] == document.text
