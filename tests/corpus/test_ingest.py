"""What becomes of a text between its file and its part."""

from __future__ import annotations

from domainlm.corpus.batch import Spans
from domainlm.corpus.edit import Editor
from domainlm.corpus.ingest import edited
from domainlm.corpus.reading import reading_of
from tests.corpus.conftest import domain


def results(texts: list[str], **fields: object) -> tuple[list[str], dict[int, str], Editor]:
    editor = Editor(reading_of(domain("legal", {"a": "a.jsonl"}, **fields), None))
    left, lost = edited(Spans.of([text.encode() for text in texts]), editor)
    return [str(text, "utf-8") for text in left], lost, editor


def test_only_odd_texts_are_touched_and_empty_ones_are_lost() -> None:
    left, lost, _ = results(["plain", "odd\r\n", " \n", "", "Ähre \u2028 end"])
    assert (left[0], left[1], left[4]) == ("plain", "odd", "Ähre\n end")
    assert lost == {2: "empty", 3: "empty"}


def test_mojibake_is_mended_while_its_control_characters_are_still_there() -> None:
    broken = "He said â€œdonâ€™tâ€\u009d.\r\nCafÃ©\r\n"
    left, _, editor = results([broken, "fine"], edits={"mojibake": {}})
    assert left == ["He said “don’t”.\nCafé", "fine"]
    assert editor.counts() == {"mojibake: line": {"docs": 1, "times": 2}}
