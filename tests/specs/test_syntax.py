"""What is no YAML, or no mapping, is one problem with a place and a fix, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.errors import SpecError
from domainlm.specs.mix import MixSpec
from domainlm.specs.read import read
from domainlm.specs.tree import read_tree

FAULTS = {
    "tab": ("name: law\ntoken_ratio:\n\tlaw: 1\n", "3:1", "a tab: law: 1", "write `  law: 1`"),
    "colon": ("name: law\ndescription: a: b\n", "2:15", "a colon", 'write `description: "a: b"`'),
    "deeper": ("name: law\n  max_epochs: 4\n", "2:13", "a colon", "indent `max_epochs: 4` like the line before it"),
    "at sign": ("name: @law\n", "1:7", "cannot begin a value", 'write `name: "@law"`'),
    "open quote": ('name: "law\n', "2:1", "a quote that is never closed", "close what was opened above"),
    "open bracket": ("name: [law\n", "2:1", "a `[` that is never closed", "close what was opened above"),
    "indentation": ("name: law\ntoken_ratio:\n  a: 1\n b: 2\n", "4:2", "indented like no line", "mend the line"),
    "no colon": ("name: law\nbudget 300k\nmax: 1\n", "3:1", "without a colon", "the one before it"),
    "alias": ("name: *law\n", "1:7", "an alias that no anchor", "mend the line"),
    "documents": ("name: law\n---\nname: b\n", "2:1", "a second document", "a file of its own"),
    "escape": ('name: "\\q"\n', "1:9", "an escape", "mend the line"),
    "control": ("name: law\x07\n", "1:10", "a control character", "delete the character"),
    "surrogate": ('name: "\\ud800"\n', "1:7", "half of a surrogate pair", "the character itself"),
    "empty": ("", "1:1", "an empty file", "begin with `name: law`"),
    "comment": ("# nothing\n", "1:1", "an empty file", "begin with `name: law`"),
    "list": ("- name: law\n", "1:1", "a list", "begin with `name: law`"),
    "text": ("law\n", "1:1", "a single value", "begin with `name: law`"),
    "endless": ("name: &a [*a]\n", "1:7", "without end", "write it out"),
    "deep": ("name: " + "[" * 60 + "]" * 60 + "\n", "1:47", "without end", "write it out"),
    "deepest": ("name: " + "[" * 500 + "\n", "1:1", "nested too deep", "take out brackets"),
    "key": ("? [a]\n: b\n", "1:3", "a list or mapping as a key", "write `name: value`"),
    "merge": ("name: law\n<<: 3\n", "2:5", "no mapping behind `<<`", "name an anchor"),
    "set": ("name: !!set {a, b}\n", "1:7", "the tag !!set", "delete `!!set`"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_syntax_is_a_problem_with_a_place_and_a_fix(tmp_path: Path, fault: str) -> None:
    text, place, got, fix = FAULTS[fault]
    path = tmp_path / "law.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        read(path, MixSpec)
    problem = raised.value.problems[0]
    assert f"{problem.line}:{problem.column}" == place
    assert got in problem.got
    assert fix in problem.fix


def test_text_that_is_no_utf8_is_named_by_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "law.yaml"
    path.write_bytes(b"name: law\ndescription: caf\xe9\n")
    with pytest.raises(SpecError, match=r"law.yaml:2:17: the file\n  got:  the byte 0xE9, which is no UTF-8"):
        read_tree(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "law.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: law\n")
    assert read_tree(path).values == {"name": "law"}


def test_a_missing_file_lists_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "law.yaml").touch()
    with pytest.raises(SpecError, match=r"got:  no such file\n  want: one of law.yaml"):
        read_tree(tmp_path / "lwa.yaml")


def test_every_key_that_stands_twice_is_told_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "law.yaml"
    path.write_text("name: law\nname: b\nmax_epochs: 1\nmax_epochs: 2\n")
    with pytest.raises(SpecError) as raised:
        read_tree(path)
    assert [problem.fix for problem in raised.value.problems] == ["delete line 2 or line 1", "delete line 4 or line 3"]


def test_scalars_are_read_as_yaml_1_2_and_no_word_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "law.yaml"
    path.write_text("{a: 1e-4, b: no, c: 1:30, d: 2024-01-01, e: 1_000, f: 007, g: 0x10, h: TRUE, i: ~, j: -.inf}")
    assert read_tree(path).values == {
        "a": 1e-4,
        "b": "no",
        "c": "1:30",
        "d": "2024-01-01",
        "e": 1000,
        "f": 7,
        "g": 16,
        "h": True,
        "i": None,
        "j": float("-inf"),
    }


def test_a_merged_mapping_gives_way_to_what_stands_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "law.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n")
    tree = read_tree(path)
    assert tree.values["b"] == {"y": 3, "x": 1}
    assert tree.problem(("b", "x"), "", "", "").line == 1


def test_an_alias_of_aliases_does_not_eat_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "law.yaml"
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    path.write_text("\n".join(rows))
    with pytest.raises(SpecError, match="at most 100,000 values"):
        read_tree(path)
