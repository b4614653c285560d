"""Multiple-choice items from held-out text: which of four passages does this one continue? Same text, same items.

The question is put as Winogrande's is, by partial scoring (arXiv:1806.02847): one continuation, scored behind each of
four contexts. To score four continuations behind one context measures mostly how common each of them is: models of a
million parameters stayed at chance on that, and below it after they had learnt the domain's most common passages.

The rule. White space is collapsed in all that is shown, so that line lengths give nothing away.

1. A place is between two words of a sentence, with at least CONTEXT_WORDS words of the document before it and more than
   CONTINUATION_CHARACTERS characters after it. The context is the words before; the continuation is the passage after,
   cut at the last end of a word within CONTINUATION_CHARACTERS. A document's places do not overlap.
2. Documents come in the order of a seeded hash of their ids, each with its places in the order of such a hash, one
   place a document and round, until there are as many items as asked for, or no more places.
3. The other contexts are those of places of the domain's other documents, one of each document, in the order of rule 2
   from where the item's hash points. A context too much like the true one or another is passed over (as many shared
   pairs of adjacent words as not: licences repeat each other), and so is one whose own continuation is too much like
   the item's. Where the other documents do not give three, other places of the same document do, at least
   DISTANCE_CHARACTERS away; they are counted.
4. In each four consecutive items the true context stands once at each position, in seeded order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from domainlm.digest import digest, seed_for
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.progress import tell

NUM_CHOICES = 4
CONTEXT_WORDS = 40
"""A guess: about 80 tokens, so that an item fits the smallest models' windows and many fit into a minute."""
CONTINUATION_CHARACTERS = 120
"""Models of a million parameters are well above chance with it, which twice as much did not better."""
SHORTEST_CONTINUATION_CHARACTERS = 100
DISTANCE_CHARACTERS = 1000
_PLACE = re.compile(r"(?<=[^\W\d_])[,]?\s+(?=[^\W\d_])")
_CHUNK = re.compile(r"\S+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A context and what follows it."""

    context: str
    following: str
    begin: int
    """Where the following text begins, in characters of the document."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A held-out document and its places, which are found when first asked for."""

    id: str
    source: str
    text: str

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(passages_of(self.text))


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One question. The field names are the JSON's."""

    id: str
    domain: str
    source: str
    doc_id: str
    contexts: tuple[str, ...]
    continuation: str
    answer: int
    """Index in `contexts` of the one that the continuation continues."""


def build(corpus: Manifest, domains: Sequence[str], items_per_domain: int, folder: Path, *, seed: int) -> Made:
    """One `items/<domain>.jsonl` a domain. Fewer items than asked for is no error: the counts say so."""
    shards, counts = [], {}
    for number, domain in enumerate(domains):
        documents = list(_documents(corpus, domain))
        items = list(islice(_items(domain, documents, seed), items_per_domain))
        path = folder / "items" / f"{domain}.jsonl"
        write_atomically(path, b"".join(orjson.dumps(asdict(item)) + b"\n" for item, _ in items))
        shards.append(shard_of(path, folder, "items", domain=domain, num_docs=len(items)))
        counts[domain] = {
            "asked": items_per_domain,
            "made": len(items),
            "heldout_docs": len(documents),
            "docs_used": len({(item.source, item.doc_id) for item, _ in items}),
            "distractors_of_the_same_document": sum(num_own for _, num_own in items),
        }
        tell("items", number + 1, len(domains), "domains")
    return Made(shards=tuple(shards), counts={"domains": counts})


def _documents(corpus: Manifest, domain: str) -> Iterator[Document]:
    for shard in corpus.files("text", domain=domain, split="heldout"):
        table = pq.read_table(corpus.path(shard), columns=["id", "text"])
        for doc_id, text in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True):
            yield Document(id=doc_id, source=shard.source, text=text)


def passages_of(text: str) -> Iterator[Passage]:
    """The places of `text`, in order, each with the context before it and the passage after it."""
    floor = 0
    for match in _PLACE.finditer(text):
        begin = match.end()
        if begin <= floor:
            continue
        # One word more than the context takes: the first may be the tail of a word. The slice bounds the work where
        # a document has hardly any white space.
        words = text[max(floor, begin - 20 * CONTEXT_WORDS) : begin].split()
        if len(words) > CONTEXT_WORDS:
            following, end = _following(text, begin)
            if following:
                yield Passage(context=" ".join(words[-CONTEXT_WORDS:]), following=following, begin=begin)
                floor = end


def _following(text: str, begin: int) -> tuple[str, int]:
    """Whole words from `begin` on, in at most CONTINUATION_CHARACTERS characters, and where they end in `text`.

    Empty where the text ends before that, or where a long word leaves the choice so short that it would stand out.
    """
    words: list[str] = []
    num_characters, end = -1, begin
    for match in _CHUNK.finditer(text, begin):
        if num_characters + 1 + len(match.group()) > CONTINUATION_CHARACTERS:
            return (" ".join(words), end) if num_characters >= SHORTEST_CONTINUATION_CHARACTERS else ("", end)
        words.append(match.group())
        num_characters += 1 + len(match.group())
        end = match.end()
    return "", end


def _items(domain: str, documents: Sequence[Document], seed: int) -> Iterator[tuple[Item, int]]:
    """Items in the rule's order, each with the number of its distractors that are of its own document."""
    ordered = sorted(documents, key=lambda document: seed_for(seed, document.source, document.id))
    num_items = 0
    for number, passage in _round_robin(ordered, seed):
        document = ordered[number]
        item_id = digest([domain, document.source, document.id, passage.begin])[:16]
        start = seed_for(seed, item_id) % len(ordered)
        others = [d for d in (*ordered[start:], *ordered[:start]) if d is not document]
        distractors, num_own = _distractors(document, passage, others, seed, item_id)
        if len(distractors) < NUM_CHOICES - 1:
            continue
        answer = _answers(domain, num_items // NUM_CHOICES, seed)[num_items % NUM_CHOICES]
        num_items += 1
        item = Item(
            id=item_id,
            domain=domain,
            source=document.source,
            doc_id=document.id,
            contexts=(*distractors[:answer], passage.context, *distractors[answer:]),
            continuation=passage.following,
            answer=answer,
        )
        yield item, num_own


def _round_robin(documents: Sequence[Document], seed: int) -> Iterator[tuple[int, Passage]]:
    """One place of each document and round. A document's places are found when its first turn comes."""
    turns = [(number, _in_hash_order(document, seed)) for number, document in enumerate(documents)]
    while turns:
        left = []
        for number, places in turns:
            passage = next(places, None)
            if passage is not None:
                left.append((number, places))
                yield number, passage
        turns = left


def _in_hash_order(document: Document, seed: int, *names: str) -> Iterator[Passage]:
    yield from sorted(document.passages, key=lambda place: seed_for(seed, *names, document.id, str(place.begin)))


def _distractors(
    document: Document, passage: Passage, others: Sequence[Document], seed: int, item_id: str
) -> tuple[list[str], int]:
    """Three contexts that the passage does not follow (fewer where there are none), and how many are of `document`."""
    chosen: list[str] = []
    following = _word_pairs(passage.following)
    taken = [_word_pairs(passage.context)]

    def take(candidate: Passage) -> None:
        words = _word_pairs(candidate.context)
        another = not any(_alike(words, other) for other in taken)
        if len(chosen) < NUM_CHOICES - 1 and another and not _alike(_word_pairs(candidate.following), following):
            chosen.append(candidate.context)
            taken.append(words)

    for other in others:
        if len(chosen) == NUM_CHOICES - 1:
            return chosen, 0
        if other.passages:
            take(other.passages[seed_for(seed, item_id, other.id) % len(other.passages)])
    num_others = len(chosen)
    for place in _in_hash_order(document, seed, item_id):
        if abs(place.begin - passage.begin) >= DISTANCE_CHARACTERS:
            take(place)
    return chosen, len(chosen) - num_others


def _word_pairs(text: str) -> frozenset[tuple[str, str]]:
    return frozenset(pairwise(_WORD.findall(text.lower())))


def _alike(left: frozenset[tuple[str, str]], right: frozenset[tuple[str, str]]) -> bool:
    """Whether the passages share at least as many distinct pairs of adjacent words as they do not."""
    return 2 * len(left & right) >= len(left | right)


def _answers(domain: str, block: int, seed: int) -> list[int]:
    """Positions of the answers of four consecutive items: each once."""
    return sorted(range(NUM_CHOICES), key=lambda i: seed_for(seed, "answer", domain, str(block), str(i)))
