"""Every planted passage of a target is found and cut; a clean corpus loses nothing; common phrases do not count."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.corpus import overlap
from domainlm.corpus.benchmark import Benchmark
from domainlm.corpus.decontaminate import Contamination, contamination
from domainlm.specs.corpus import Decontaminate
from tests.corpus.batches import reader

ON_DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def prose(seed: int, num_words: int) -> list[str]:
    """Words of their own: two texts share none but by being planted."""
    return [f"word{seed}x{i}" for i in range(num_words)]


def found(
    training: Sequence[str],
    folder: Path,
    *,
    heldout: Sequence[str] = (),
    benchmarks: Sequence[Benchmark] = (),
    **spec: object,
) -> Contamination:
    """Held-out documents have the numbers behind the training documents'."""
    texts = [*training, *heldout]
    heldout_D = np.arange(len(texts)) >= len(training)
    work = folder / f"work{len(list(folder.iterdir()))}"
    num_bytes = sum(len(text) for text in heldout)
    chosen = Decontaminate.model_validate(spec)
    return contamination(~heldout_D, heldout_D, benchmarks, chosen, reader(texts), num_bytes, work)


def left(made: Contamination, training: Sequence[str]) -> list[str]:
    array = pa.array(list(training), pa.large_string())
    texts = made.edit(np.arange(len(training)), array).to_pylist()
    gone = {int(document) for documents in made.dropped.values() for document in documents}
    return ["" if number in gone else text for number, text in enumerate(texts)]


@ON_DISK
@given(seed=st.integers(0, 10**6), num_words=st.integers(50, 90), lengths=st.sampled_from([13, 50]))
def test_every_planted_passage_is_found_wherever_it_stands(
    tmp_path: Path, seed: int, num_words: int, lengths: int
) -> None:
    chance = random.Random(seed)
    target = prose(0, 400)
    training, planted = [], []
    for document in range(8):
        own = prose(document + 1, chance.randrange(200, 400))
        if chance.random() < 0.6:
            begin, place = chance.randrange(0, 400 - num_words), chance.randrange(len(own))
            # Case and punctuation hide nothing.
            passage = [word.upper() + chance.choice(["", ",", "."]) for word in target[begin : begin + num_words]]
            own[place:place] = passage
            planted.append(document)
        training.append(" ".join(own))
    made = found(training, tmp_path, heldout=[" ".join(target)], heldout_words=lengths)
    assert [row.document for row in made.listed] == planted
    for document, text in enumerate(left(made, training)):
        words = [word for word in training[document].split() if word.lower().strip(",.") not in target]
        assert [word.strip(".,") for word in text.split() if word.strip(".,")] == words
        assert (text == training[document]) == (document not in planted)
    for row in made.listed:
        assert row.num_ngrams == num_words - 12
        assert row.target_share == pytest.approx((num_words - 12) / 388)
        assert row.excerpt.lower().startswith("word0x")


@ON_DISK
@given(st.integers(0, 10**6))
def test_a_clean_corpus_loses_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    phrases = [prose(1000 + i, 12) for i in range(5)]  # too short to count
    training = [" ".join(prose(i, 80) + chance.choice(phrases) + prose(100 + i, 20)) for i in range(9)]
    targets = [" ".join(prose(200 + i, 50) + chance.choice(phrases) + prose(300 + i, 50)) for i in range(4)]
    items = [("1", " ".join(prose(400, 30) + chance.choice(phrases))), ("2", "a b c d e f g")]
    made = found(training, tmp_path, heldout=targets, benchmarks=[Benchmark(name="task", items=items)])
    assert not made.listed and not made.dropped and not len(made.document_P)
    assert left(made, training) == training


def test_a_passage_of_held_out_text_needs_50_words_and_one_of_a_benchmark_13(tmp_path: Path) -> None:
    target = prose(0, 300)
    training = [" ".join(prose(n, 300) + target[:n] + prose(n + 100, 300)) for n in (12, 13, 49, 50)]
    as_heldout = found(training, tmp_path, heldout=[" ".join(target)])
    as_benchmark = found(training, tmp_path, benchmarks=[Benchmark(name="task", items=[("7", " ".join(target))])])
    assert [row.document for row in as_heldout.listed] == [3]
    assert [row.document for row in as_benchmark.listed] == [1, 2, 3]
    assert as_benchmark.benchmark_items == (("task", "7"),)
    assert {row.target for row in as_benchmark.listed} == {len(training)}


def test_what_stands_around_a_benchmark_passage_goes_too_and_no_word_is_cut_in_half(tmp_path: Path) -> None:
    target = prose(0, 20)
    training = [" ".join(["é" * 9] * 100 + target + ["ü" * 9] * 100)]
    items = Benchmark(name="task", items=[("7", " ".join(target))])
    [text] = left(found(training, tmp_path, benchmarks=[items], margin_chars=15), training)
    assert text == " ".join(["é" * 9] * 98) + "\n\n" + " ".join(["ü" * 9] * 98)


def test_a_short_target_counts_as_a_whole_and_a_very_short_one_not_at_all(tmp_path: Path) -> None:
    training = [" ".join(prose(1, 200) + prose(0, 30)[:n] + prose(2, 200)) for n in (7, 8, 30)]
    items = [("seven", " ".join(prose(0, 7))), ("eight", " ".join(prose(0, 8)))]
    made = found(training, tmp_path, benchmarks=[Benchmark(name="task", items=items)])
    assert [(row.document, made.benchmark_items[row.target - 3][1]) for row in made.listed] == [
        (1, "eight"),
        (2, "eight"),
    ]
    assert all(row.target_share == 1 for row in made.listed)
    made = found(training, tmp_path, heldout=[" ".join(prose(0, 30))])
    assert [row.document for row in made.listed] == [2]  # all of its 30 words, though that is less than 50


def test_what_stands_in_many_documents_is_a_common_phrase(tmp_path: Path) -> None:
    target = prose(0, 60)
    for num_docs, expected in ((10, 10), (11, 0)):
        training = [" ".join(prose(i + 1, 200) + target + target) for i in range(num_docs)]
        made = found(training, tmp_path, heldout=[" ".join(target)])
        assert len(made.listed) == expected


def test_a_document_that_is_mostly_contamination_goes_as_a_whole(tmp_path: Path) -> None:
    target = prose(0, 100)
    training = [" ".join(target + prose(1, 90)), " ".join(target + prose(2, 120)), " ".join(target[:60] + prose(3, 10))]
    made = found(training, tmp_path, heldout=[" ".join(target)])
    assert {reason: which.tolist() for reason, which in made.dropped.items()} == {"contaminated by held-out": [0, 2]}
    assert [bool(text) for text in left(made, training)] == [False, True, False]
    assert made.num_bytes[1] == len(left(made, training)[1])
    items = Benchmark(name="task", items=[("7", " ".join(target))])
    made = found(training, tmp_path, benchmarks=[items])
    assert list(made.dropped) == ["contaminated by benchmark"]


def test_splits_of_the_targets_and_batches_do_not_change_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    targets = [prose(i, 200) for i in range(6)]
    training = []
    for i in range(12):
        words = prose(100 + i, 100)
        for _ in range(3):
            begin = chance.randrange(100)
            words += chance.choice(targets)[begin : begin + chance.randrange(30, 90)] + prose(200 + i, 50)
        training.append(" ".join(words))
    items = [
        (str(i), " ".join(target[:9])) for i, target in enumerate(targets)
    ]  # n-grams of 9 words beside those of 13
    arguments = {
        "heldout": [" ".join(target) for target in targets],
        "benchmarks": [Benchmark(name="task", items=items)],
    }
    whole = found(training, tmp_path, **arguments)
    assert len(whole.listed) > 12
    monkeypatch.setattr(overlap, "_SPLIT_NGRAMS", 100)
    split = found(training, tmp_path, **arguments)
    assert split.listed == whole.listed
    assert left(split, training) == left(whole, training)


def test_one_document_full_of_matches_fits_however_long_it_is(tmp_path: Path) -> None:
    target = prose(0, 200_000)
    made = found([" ".join(target)], tmp_path, heldout=[" ".join(target)])
    assert [(row.num_ngrams, row.target_share) for row in made.listed] == [(200_000 - 12, 1.0)]
