"""Metrics that lm-eval lacks: F1 of several classes, of spans and of words, and numbers equal within a tolerance.

A task's YAML names them: `process_results: !function domainlm.evaluate.scoring.classes` gives each item's numbers, and
`aggregation: !function domainlm.evaluate.scoring.weighted_f1` makes one of them.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

TOLERANCE = 1e-3
"""Relative: FinQA rounds what its programs give to five decimals, and its authors' answers to fewer."""


def _choice(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> tuple[int, int]:
    """The right choice (`gold` or `label`) and the one that the model finds likeliest, by number."""
    chosen = int(np.argmax([log_likelihood for log_likelihood, *_ in results]))
    return int(doc["gold"] if "gold" in doc else doc["label"]), chosen


def classes(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Accuracy of a multiple-choice item, and what `macro_f1` is made of."""
    gold, chosen = _choice(doc, results)
    return {"acc": float(gold == chosen), "macro_f1": (gold, chosen)}


def weighted_classes(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Accuracy of a multiple-choice item, and what `weighted_f1` is made of."""
    gold, chosen = _choice(doc, results)
    return {"acc": float(gold == chosen), "weighted_f1": (gold, chosen)}


def tagged_classes(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """The same of an item that asks of a `tag`: F1 is made for each tag by itself."""
    gold, chosen = _choice(doc, results)
    return {"acc": float(gold == chosen), "tags_f1": (doc["tag"], gold, chosen)}


def _f1_by_class(pairs: Sequence[Sequence[int]]) -> dict[int, tuple[float, int]]:
    """F1 and number of items of each class that is in truth or was chosen."""
    found = {}
    for label in sorted({label for pair in pairs for label in pair}):
        hits = sum(gold == chosen == label for gold, chosen in pairs)
        support, said = (sum(pair[side] == label for pair in pairs) for side in (0, 1))
        found[label] = (2 * hits / (support + said), support)
    return found


def weighted_f1(pairs: Sequence[Sequence[int]]) -> float:
    """F1 of each class, weighted by how many items are in it (BloombergGPT, arXiv:2303.17564, section 5.3.1).

    >>> round(weighted_f1([(0, 0), (0, 1), (1, 1), (2, 2)]), 6)
    0.75
    """
    return sum(f1 * support for f1, support in _f1_by_class(pairs).values()) / len(pairs)


def macro_f1(pairs: Sequence[tuple[int, int]]) -> float:
    """Mean F1 of the classes that some item is in, as LexGLUE has it (arXiv:2110.00976, section 4).

    >>> round(macro_f1([(0, 0), (0, 1), (1, 1), (2, 2)]), 6)
    0.777778
    """
    f1s = [f1 for f1, support in _f1_by_class(pairs).values() if support]
    return sum(f1s) / len(f1s)


def tags_f1(triples: Sequence[tuple[str, int, int]]) -> float:
    """Mean over the tags of the weighted F1 of each (BloombergGPT, arXiv:2303.17564, section 5.3.1).

    >>> tags_f1([("up", 0, 0), ("up", 1, 1), ("down", 0, 0), ("down", 0, 0)])
    1.0
    """
    tags = sorted({tag for tag, *_ in triples})
    return sum(weighted_f1([pair for name, *pair in triples if name == tag]) for tag in tags) / len(tags)


_NUMBER = re.compile(r"\(?-?\s*\$?\s*-?(?:\d{1,3}(?:,\d{3})+|\d+)?\.?\d+(?:[eE][+-]?\d+)?\)?")


def number_in(text: str) -> float | None:
    """The first number in a text, thousands and currency signs read, brackets as minus, percent as a hundredth.

    >>> number_in("about $1,234.50 million"), number_in("(12.6)"), number_in("14.1%"), number_in("yes")
    (1234.5, -12.6, 0.141, None)
    """
    match = _NUMBER.search(text)
    if match is None:
        return None
    digits = re.sub(r"[^\d.eE+-]", "", match[0]).replace("--", "-")
    value = float(digits.replace("-", "", 1)) * (-1 if "-" in digits[:1] else 1)
    value = -abs(value) if match[0].startswith("(") and match[0].endswith(")") else value
    return value / 100 if text[match.end() :].lstrip().startswith("%") else value


def same_number(said: str, truth: str) -> bool:
    """Whether two answers are the same number, or the same word where the truth is none.

    A share said as a percentage without its sign counts, since FinQA's reports write both.

    >>> same_number("14.1%", "0.14136"), same_number("14.1", "0.14136"), same_number("3", "4")
    (True, True, False)
    >>> same_number("Yes.", "yes")
    True
    """
    wanted, got = number_in(truth), number_in(said)
    if wanted is None or got is None:
        return wanted is None and words(said)[:1] == words(truth)[:1]
    # As precise as what was said: 14.1% is 0.14136, which FinQA's own scorer, rounding to five decimals, would not see.
    slack = max(TOLERANCE * abs(wanted), 1e-5)
    decimals = len(said.partition(".")[2].rstrip("%) ")) if "%" in said else None
    if decimals is not None:
        slack = max(slack, 0.5 * 10 ** -(decimals + 2))
    return math.isclose(got, wanted, rel_tol=0, abs_tol=slack) or (
        "%" not in said and math.isclose(got / 100, wanted, rel_tol=5e-3, abs_tol=1e-5)
    )


def numbers(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Execution accuracy: whether the number in the first line that was written is the item's `answer`."""
    said = results[0].strip().partition("\n")[0]
    return {"exact_match": float(same_number(said, doc["answer"]))}


def words(text: str) -> list[str]:
    """Words without case, punctuation and articles (SQuAD's scorer, arXiv:1606.05250).

    >>> words("The Licensee's rights, and a fee.")
    ['licensees', 'rights', 'and', 'fee']
    """
    plain = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return [word for word in plain.split() if word not in ("a", "an", "the")]


def word_f1(said: str, truth: str) -> float:
    """F1 of the words of two texts; of two empty ones, 1."""
    left, right = words(said), words(truth)
    common = sum((Counter(left) & Counter(right)).values())
    return 2 * common / (len(left) + len(right)) if left or right else 1.0


def spans(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Exact match and word F1 against the best of the texts of the item's `answers`."""
    said = results[0].strip()
    truths = doc["answers"]["text"] or [""]
    exact = max(float(words(said) == words(truth)) for truth in truths)
    return {"exact_match": exact, "f1_words": max(word_f1(said, truth) for truth in truths)}


def cells(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """TAT-QA: exact match and F1, numbers compared as numbers, several spans as one set of words."""
    said, truth = results[0].strip().partition("\n")[0], ", ".join(doc["answers"])
    if doc["kind"] in ("arithmetic", "count") or (number_in(truth) is not None and len(words(truth)) == 1):
        right = float(same_number(said, truth))
        return {"exact_match": right, "f1_words": right}
    return {"exact_match": float(sorted(words(said)) == sorted(words(truth))), "f1_words": word_f1(said, truth)}


_ENTITY = re.compile(r"\s*(.+?)\s*\((person|organization|location)\)\s*(?:,|$)", re.IGNORECASE)


def entities_in(text: str) -> list[tuple[str, str]]:
    """Entities and their types in `Steve Jobs (person), Apple (organization)`, without case.

    >>> entities_in("Steve Jobs (person), Apple, Inc. (organization)")
    [('steve jobs', 'person'), ('apple, inc.', 'organization')]
    """
    return [(name.lower(), kind.lower()) for name, kind in _ENTITY.findall(text.strip().partition("\n")[0])]


def entities(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """What entity-level F1 is made of: entities found, said and there; and whether all are right, item by item."""
    said, truth = Counter(entities_in(results[0])), Counter(entities_in(doc["answer"]))
    counts = ((said & truth).total(), said.total(), truth.total())
    return {"entity_f1": counts, "exact_match": float(said == truth)}


def entity_f1(counts: Sequence[tuple[int, int, int]]) -> float:
    """F1 over the entities of all items (CoNLL-2003), from `entities`.

    >>> entity_f1([(1, 2, 1), (0, 0, 1)])
    0.5
    """
    found, said, there = (sum(column) for column in zip(*counts, strict=True))
    return 2 * found / (said + there) if said + there else 1.0


def labels(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Whether the answer begins with the item's `answer`, and the pair that balanced accuracy is made of."""
    truth = words(doc["answer"])
    right = words(results[0].strip().partition("\n")[0])[: len(truth)] == truth
    return {"exact_match": float(right), "balanced_acc": (" ".join(truth), right)}


def balanced_acc(pairs: Sequence[tuple[str, bool]]) -> float:
    """Mean share of right answers over the classes (LegalBench, arXiv:2308.11462, section 5).

    >>> balanced_acc([("yes", True), ("yes", True), ("yes", True), ("no", False)])
    0.5
    """
    by_class: dict[str, list[bool]] = {}
    for label, right in pairs:
        by_class.setdefault(label, []).append(right)
    return sum(sum(rights) / len(rights) for rights in by_class.values()) / len(by_class)
