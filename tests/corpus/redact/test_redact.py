"""Redaction takes what it should, leaves what it should, and says the same of a text whatever came before it."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.redact import LABELLED, Scores, labelled, scored, wilson
from domainlm.corpus.redact import find, redact
from domainlm.specs.redact import ALL_PATTERNS, RedactSpec

PIECES = [
    "tel ", "call ", "+44 20 7946 0717", "(212) 555-0147", "a@b.example", "@",
    "x [at] y.example", "GB82WEST12345698765432",
    "4242424242424242", "SSN ", "781-24-6093", "MRN: ", "00483917", "passport no. ", "512349876",
    "DL# ", "D08954796", "8.8.8.8",
    "2001:4860:4860::8888", "https://u:p1w@h.example", "password=", "hunter22", "key: ",
    "AKIAIOSFODNN7EXAMPLE", "<PHONE>", "<EMAIL>", "<",
    ">", "\n", " ", ", ", " or ", ".", ":", "-", "é", "\u2013", "\u00a0", "0", "12",
    "server ", "555-0134", "/", "(", ")", "::",
]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=120), st.lists(st.sampled_from(PIECES), max_size=14).map("".join))


@given(TEXTS)
@settings(max_examples=200)
@example("tel <PHONE>, 020 7946 0717 or a@b.example")
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once, _ = redact(text, ALL_PATTERNS)
    assert redact(once, ALL_PATTERNS) == (once, {})


@given(TEXTS)
@settings(max_examples=150)
def test_counts_are_the_placeholders_put_in(text: str) -> None:
    once, counts = redact(text, ALL_PATTERNS)
    for kind, chosen in ALL_PATTERNS.kinds().items():
        placeholder = chosen.placeholder
        assert once.count(placeholder) == text.count(placeholder) + counts[kind]


@given(TEXTS)
@settings(max_examples=150)
def test_finds_are_in_order_and_apart(text: str) -> None:
    found = find(text, ALL_PATTERNS)
    assert all(0 <= start < end <= len(text) for start, end, _ in found)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(found))


def test_a_document_is_redacted_alike_whatever_came_before_it() -> None:
    texts = [document.text for half in ("tuning", "heldout") for document in labelled(LABELLED / f"{half}.txt")]
    alone = {text: redact(text, ALL_PATTERNS)[0] for text in texts}
    random.Random(0).shuffle(texts)
    assert {text: redact(text, ALL_PATTERNS)[0] for text in texts} == alone


def test_only_what_is_named_is_taken_and_by_its_placeholder() -> None:
    text = "Write to jane@example.com or call (212) 555-0147."
    assert redact(text, RedactSpec.model_validate({"email": {}})) == (
        "Write to <EMAIL> or call (212) 555-0147.",
        {"email": 1},
    )
    spec = RedactSpec.model_validate({"phone": {"placeholder": "<TEL>"}})
    assert redact(text, spec) == ("Write to jane@example.com or call <TEL>.", {"phone": 1})


def test_of_overlapping_finds_the_kind_named_first_in_the_spec_wins() -> None:
    text = "https://jane:pw12@mail.example.com"
    assert redact(text, ALL_PATTERNS)[0] == "https://<CREDENTIALS>@mail.example.com"
    assert redact("https://x:ghp_" + "a1" * 18 + "@h.example", ALL_PATTERNS)[1] == {"url_credentials": 1}


def test_reserved_addresses_are_taken_where_asked_for() -> None:
    text = "ping 192.168.0.1, 203.0.113.5, fe80::1 and 2001:db8::2"
    assert redact(text, RedactSpec.model_validate({"ip": {}})) == (text, {})
    spec = RedactSpec.model_validate({"ip": {"include_reserved": True}})
    assert redact(text, spec) == ("ping <IP>, <IP>, <IP> and <IP>", {"ip": 4})


def test_offsets_are_characters_where_text_is_not_ascii() -> None:
    assert (
        redact("Größe “x” — jané@example.com … +33 1 99 00 62 08 €", ALL_PATTERNS)[0]
        == "Größe “x” — <EMAIL> … <PHONE> €"
    )


def test_a_text_of_addresses_alone_takes_time_in_proportion() -> None:
    text = "jane@example.com (212) 555-0147 " * 20_000
    assert redact(text, ALL_PATTERNS)[1] == {"email": 20_000, "phone": 20_000}


FLOORS = {"heldout": (0.97, 0.93), "tuning": (0.99, 0.99)}
"""Precision and recall over all kinds; docs/redaction.md has what was measured."""


@pytest.fixture(scope="module", params=FLOORS)
def half(request: pytest.FixtureRequest) -> tuple[str, Scores]:
    return request.param, scored(LABELLED / f"{request.param}.txt")


def test_precision_and_recall_stay_above_their_floors(half: tuple[str, Scores]) -> None:
    name, scores = half
    precision, recall = FLOORS[name]
    right = scores.right.total()
    assert right / scores.found.total() >= precision, "\n".join(scores.mistakes)
    assert right / scores.labels.total() >= recall, "\n".join(scores.mistakes)


def test_every_kind_is_labelled_and_mostly_found(half: tuple[str, Scores]) -> None:
    _, scores = half
    for kind in ALL_PATTERNS.kinds():
        assert scores.labels[kind] >= 5
        assert scores.precision(kind) >= 0.85 and scores.recall(kind) >= 0.8, kind


def test_the_labelled_set_is_as_large_as_the_docs_say() -> None:
    halves = [scored(LABELLED / f"{half}.txt") for half in FLOORS]
    assert sum(half.labels.total() for half in halves) >= 400
    assert sum(half.num_others for half in halves) >= 300
    assert sum(half.others_hit.total() for half in halves) <= 3


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe, 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_the_labelled_files_say_how_they_are_written() -> None:
    for path in (LABELLED / "tuning.txt", LABELLED / "heldout.txt"):
        assert Path(path).read_text(encoding="utf-8").startswith("# ")
        assert {document.style for document in labelled(path)} == {"finance", "legal", "medical", "general"}
