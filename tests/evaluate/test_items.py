from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from domainlm.evaluate import items
from domainlm.manifest import Made, Manifest

Heldout = Mapping[tuple[str, str, str], Sequence[str]]


def build(corpus: Manifest, folder: Path, num_items: int, seed: int = 7) -> tuple[Made, list[dict[str, Any]]]:
    made = items.build(corpus, ["legal-demo"], num_items, folder, seed=seed)
    return made, [orjson.loads(line) for line in (folder / made.shards[0].path).read_bytes().splitlines()]


def word_pairs(text: str) -> set[tuple[str, str]]:
    return set(pairwise(re.findall(r"\w+", text.lower())))


def test_the_same_text_and_seed_give_the_same_bytes(corpus_of: Any, heldout: Heldout, tmp_path: Path) -> None:
    corpus = corpus_of(heldout)
    first, again = (build(corpus, tmp_path / name, 10)[0] for name in ("first", "again"))
    assert first == again
    assert build(corpus, tmp_path / "other", 10, seed=8)[0] != first


def test_fewer_items_than_asked_for_are_counted_and_more_only_add(
    corpus_of: Any, heldout: Heldout, tmp_path: Path
) -> None:
    corpus = corpus_of(heldout)
    _, few = build(corpus, tmp_path / "few", 8)
    made, many = build(corpus, tmp_path / "many", 1000)
    assert len(few) == 8
    assert many[:8] == few
    assert made.counts["domains"]["legal-demo"] == {
        "asked": 1000,
        "made": len(many),
        "heldout_docs": 9,
        "docs_used": 9,
        "distractors_of_the_same_document": 0,
    }


def test_the_passage_continues_its_context_and_the_other_contexts_are_of_other_documents(
    corpus_of: Any, heldout: Heldout, tmp_path: Path
) -> None:
    corpus = corpus_of(heldout)
    texts = {
        f"{domain}/{source}/{split}/{i}": " ".join(text.split())
        for (domain, source, split), documents in heldout.items()
        for i, text in enumerate(documents)
    }
    _, made = build(corpus, tmp_path, 1000)
    for item in made:
        own = texts[item["doc_id"]]
        shortest, longest = items.SHORTEST_CONTINUATION_CHARACTERS, items.CONTINUATION_CHARACTERS
        assert shortest <= len(item["continuation"]) <= longest
        assert f"{item['contexts'][item['answer']]} {item['continuation']} " in own + " "
        for index, context in enumerate(item["contexts"]):
            assert len(context.split()) == items.CONTEXT_WORDS
            if index != item["answer"]:
                (doc_id,) = [name for name, text in texts.items() if context in text]
                assert doc_id != item["doc_id"]
                assert doc_id.startswith("legal-demo/")
        assert len(set(item["contexts"])) == 4
    assert len({item["id"] for item in made}) == len(made)


def test_answers_stand_equally_often_at_each_position(corpus_of: Any, heldout: Heldout, tmp_path: Path) -> None:
    _, made = build(corpus_of(heldout), tmp_path, 1000)
    whole = [item["answer"] for item in made[: len(made) // 4 * 4]]
    assert set(Counter(whole).values()) == {len(whole) // 4}
    assert len({tuple(whole[i : i + 4]) for i in range(0, len(whole), 4)}) > 1


def test_a_copy_of_the_true_context_is_no_other_choice(corpus_of: Any, heldout: Heldout, tmp_path: Path) -> None:
    """Licences repeat each other: what is nearly the answer would be a second right choice."""
    text = heldout["legal-demo", "licenses", "heldout"][0]
    copies = {("legal-demo", "licenses", "heldout"): [text] * 6}
    made, asked = build(corpus_of(copies), tmp_path, 1000)
    for item in asked:
        answer = word_pairs(item["contexts"][item["answer"]])
        for index, context in enumerate(item["contexts"]):
            shared = answer & word_pairs(context)
            assert index == item["answer"] or 2 * len(shared) < len(answer | word_pairs(context))
    assert made.counts["domains"]["legal-demo"]["made"] == len(asked)


def test_a_lone_document_gives_its_own_distant_places_as_distractors(
    corpus_of: Any, heldout: Heldout, tmp_path: Path
) -> None:
    text = "\n".join(heldout["legal-demo", "licenses", "heldout"])
    made, asked = build(corpus_of({("legal-demo", "licenses", "heldout"): [text]}), tmp_path, 5)
    assert len(asked) == 5
    assert made.counts["domains"]["legal-demo"]["distractors_of_the_same_document"] == 15


def test_a_domain_without_long_documents_has_no_items(corpus_of: Any, tmp_path: Path) -> None:
    made, asked = build(corpus_of({("legal-demo", "licenses", "heldout"): ["Short."]}), tmp_path, 5)
    assert asked == []
    assert made.counts["domains"]["legal-demo"]["made"] == 0


@given(st.text(alphabet="ab.!\n \u2028é", max_size=2000))
def test_passages_do_not_overlap_and_follow_their_contexts(text: str) -> None:
    collapsed = " ".join(text.split())
    floor = 0
    for passage in items.passages_of(text):
        assert passage.begin >= floor
        assert f"{passage.context} {passage.following}" in collapsed
        floor = passage.begin + len(passage.following)
