"""Whatever stands in a spec, `check` answers with a spec or with problems, and with nothing else."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from domainlm.errors import SpecError
from domainlm.specs.explain import explain
from domainlm.specs.flow import flow
from domainlm.specs.kinds import KINDS
from domainlm.specs.project import check
from domainlm.specs.tree import Tree, read_tree

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
    | st.sampled_from(
        ["a", "hf:", "hf:./", "installed:", "${X}", "..", "/", "300k", "51%", "**", "[", "\0", "x" * 300]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _keys(value: Any, key: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [key, *(found for part, item in inner for found in _keys(item, (*key, part)))]


def _changed(values: Any, data: st.DataObject) -> Any:
    values = copy.deepcopy(values)
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(_keys(values)))
        if not key:
            continue
        holder = values
        for part in key[:-1]:
            holder = holder[part]
        if data.draw(st.booleans()):
            holder[key[-1]] = data.draw(JUNK)
        elif isinstance(holder, dict):
            value = holder.pop(key[-1])
            if data.draw(st.booleans()):
                holder[data.draw(st.text(max_size=8))] = value
        else:
            del holder[key[-1]]
    return values


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("spec", ["domains/law", "mixes/law-51", "tokenizers/small", "runs/trial"])
def test_any_change_of_a_spec_gives_a_spec_or_problems(project: Path, spec: str, data: st.DataObject) -> None:
    path = Path("data_specs", f"{spec}.yaml")
    text = path.read_text(encoding="utf-8")
    values = _changed(read_tree(path).values, data)
    try:
        path.write_text("".join(f"{flow(str(key))}: {flow(value)}\n" for key, value in values.items()), "utf-8")
        for checked in (path, Path("data_specs/runs/trial.yaml")):
            try:
                check(checked)
            except SpecError as error:
                assert all(problem.fix and problem.want for problem in error.problems)
                assert all(problem.line >= 1 for problem in error.problems if problem.got != "no such file")
    finally:
        path.write_text(text, encoding="utf-8")


@given(text=st.text(max_size=80) | st.text("[]{}:-#&*!|>'\"%@`\n\t ,?ab1", max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_values_or_problems(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "law.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            tree = read_tree(path)
        except SpecError:
            return
        for kind in KINDS:
            explain(kind.model, tree)


@given(value=JUNK)
@settings(max_examples=200, deadline=None)
def test_what_is_shown_as_a_fix_reads_back_as_the_same_value(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "law.yaml")
        path.write_text(f"value: {flow(value)}\n", encoding="utf-8")
        try:
            again = read_tree(path).values["value"]
        except SpecError as error:  # a key that stands twice once it is text, or text that YAML cannot hold
            assert isinstance(value, (dict, list)) or "control character" in str(error)
            return
    assert flow(again) == flow(value)


def test_the_library_behind_the_tree_reads_the_same_values(project: Path) -> None:
    for path in Path("data_specs").glob("*/*.yaml"):
        tree: Tree = read_tree(path)
        assert tree.values == YAML(typ="safe", pure=True).load(path.read_text())
