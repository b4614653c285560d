"""Boilerplate is cut from all documents but the first; nothing else is touched."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.corpus import lines
from domainlm.corpus.lines import Cutter
from domainlm.corpus.texts import Texts
from domainlm.specs.corpus import RepeatedLines
from tests.corpus.batches import reader

LINES = [f"this is line number {i} of the boilerplate that recurs" for i in range(6)]
SHORT = "short line"
DOCUMENTS = st.lists(st.lists(st.sampled_from([*LINES, SHORT, ""]), max_size=8).map("\n".join), max_size=12)
ON_DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def cutter(texts: list[str], folder: Path, wanted: np.ndarray | None = None, **spec: object) -> Cutter:
    given_spec = RepeatedLines.model_validate(spec)
    wanted = np.ones(len(texts), bool) if wanted is None else wanted
    folder = folder / f"spill{len(list(folder.iterdir()))}"
    return Cutter(lines.repeated(wanted, reader(texts), sum(map(len, texts)), given_spec, folder), given_spec)


def edited(texts: list[str], folder: Path, **spec: object) -> list[str]:
    made = cutter(texts, folder, **spec)
    return made.edit(np.arange(len(texts)), pa.array(texts, pa.large_string())).to_pylist()


@ON_DISK
@given(texts=DOCUMENTS, least=st.integers(2, 4), keep=st.integers(0, 1))
def test_a_line_is_cut_from_all_but_the_first_where_enough_documents_have_it(
    tmp_path: Path, texts: list[str], least: int, keep: int
) -> None:
    num_docs = Counter(line for text in texts for line in set(text.split("\n")))
    kept: Counter[str] = Counter()
    for text, left in zip(texts, edited(texts, tmp_path, min_documents=least, keep_documents=keep), strict=True):
        own = text.split("\n")
        stays = [line for line in own if line not in LINES or num_docs[line] < least or kept[line] < keep]
        kept.update(set(own))
        assert [line for line in left.split("\n") if line] == [line for line in stays if line]
        if stays == own:
            assert left == text


@ON_DISK
@given(texts=DOCUMENTS)
def test_splits_on_disk_and_batches_do_not_change_what_recurs(tmp_path: Path, texts: list[str]) -> None:
    found = edited(texts, tmp_path, min_documents=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_SPLIT_HASHES", 2)
        assert edited(texts, tmp_path, min_documents=2) == found


def test_documents_that_are_not_wanted_neither_count_nor_are_touched(tmp_path: Path) -> None:
    texts = [LINES[0]] * 4
    made = cutter(texts, tmp_path, np.array([False, False, True, True]), min_documents=3)
    assert not len(made.found.hash_R)
    made = cutter(texts, tmp_path, np.array([False, True, True, True]), min_documents=3)
    assert made.found.num_docs_R.tolist() == [3] and made.found.last_R.tolist() == [1]


def test_short_lines_and_lines_of_few_letters_stay(tmp_path: Path) -> None:
    rule, medium = "-" * 80, "x" * 39
    texts = [f"{rule}\n{medium}\n{SHORT}\n{medium}y\n{i}" for i in range(10)]
    assert edited(texts, tmp_path)[1:] == [f"{rule}\n{medium}\n{SHORT}\n{i}" for i in range(1, 10)]


def test_a_paragraph_is_cut_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    block = "\n".join(LINES[:3])
    texts = [f"own {i}\n\n{block}\n\nend {i}" for i in range(4)] + [f"own\n\n{LINES[0]}\n\n{LINES[1]}"]
    found = edited(texts, tmp_path, min_documents=4, unit="paragraph")
    assert found == [texts[0], "own 1\n\nend 1", "own 2\n\nend 2", "own 3\n\nend 3", texts[4]]


def test_hashes_of_a_document_are_those_of_its_different_lines_wherever_it_stands() -> None:
    texts = ["\n".join([LINES[0], LINES[1], LINES[0], SHORT]), "", LINES[1]]
    hashes, counts = lines.hashes(Texts(pa.array(texts, pa.large_string())), "line")
    assert counts.tolist() == [2, 0, 1]
    assert hashes[2] in hashes[:2] and hashes[0] < hashes[1]
