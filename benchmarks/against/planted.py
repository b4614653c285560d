"""A corpus out of real text in which every near-duplicate was planted, so that its true Jaccard similarity is known.

Real text is cut into pieces of some hundred characters, and documents are put together of pieces at random: what was
alike in nature (versions of a regulation, yearly filings) no longer is, while words, their frequencies, white space and
characters stay those of real text. Then some documents are copied, exactly or with changes.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

FORMAT = 4
NUM_FILES = 16
NGRAM_WORDS = 5
MIN_PIECES = 3
"""In a document: pieces that are alike in nature are rare, and two of them rarely meet in the same two documents."""
COPIED = 0.17
"""Share of documents that are copied with changes."""
COPIED_EXACTLY = 0.03
HUB_SHARE = 0.02
"""Share of documents that begin with the same licence, and are otherwise unlike."""
CHANGED_WORDS = (0.0005, 0.12)
"""Share of a copy's words that are changed: log-uniform between these, which is Jaccard 0.99 down to 0.35."""
_WORD = re.compile(r"[^\W_]+")


def corpus(folder: Path, num_bytes: int, data: Path | None) -> dict[str, object]:
    """What stands in `folder`: JSONL files of equal size and `pairs.parquet`; made, unless it is there already."""
    asked = {"format": FORMAT, "num_bytes": num_bytes, "text": "DOMAINLM_DATA" if data else "installed:"}
    about = folder / "about.json"
    if about.is_file() and (found := json.loads(about.read_text())).items() >= asked.items():
        return found
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = random.Random(0)
    documents, pairs = _documents(_pieces(data, rng), num_bytes, rng)
    rng.shuffle(documents)
    sizes = _write(documents, folder, num_bytes)
    pq.write_table(pa.Table.from_pylist(pairs), folder / "pairs.parquet")
    found = asked | {"docs": len(documents), "bytes": sum(sizes), "pairs": len(pairs)}
    about.write_text(json.dumps(found))
    return found


def shingles(text: str) -> set[int]:
    """Hashes of the text's word 5-grams; of a shorter text, of all of its words."""
    words = _WORD.findall(text.lower())
    if len(words) < NGRAM_WORDS:
        return {hash(tuple(words))}
    return set(map(hash, zip(*(words[n:] for n in range(NGRAM_WORDS)), strict=False)))


def _texts(data: Path | None) -> Iterator[str]:
    if data is None:
        from domainlm.corpus.installed import entries

        for kind in ("licenses", "readmes", "docs", "docstrings"):
            for entry in entries(kind):
                yield entry.path.read_text(encoding="utf-8", errors="replace")
        return
    for path in sorted(data.glob("*/*.jsonl.zst")):
        if path.parent.name in ("bench", "nasty") or "holdout" in path.name or "heldout" in path.name:
            continue
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
            for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\n"):
                yield json.loads(line)["text"]


def _pieces(data: Path | None, rng: random.Random) -> list[str]:
    """Distinct pieces of text, in random order."""
    found = set()
    for text in _texts(data):
        begin = 0
        while begin < len(text):
            end = text.find(" ", begin + rng.randint(200, 900))
            end = len(text) if end < 0 else end
            piece = text[begin:end].strip()
            if len(piece) > 100:
                found.add(piece)
            begin = end
    pieces = sorted(found)
    rng.shuffle(pieces)
    return pieces


def _documents(pieces: list[str], num_bytes: int, rng: random.Random) -> tuple[list[tuple[str, str]], list[dict]]:
    """(id, text) of all documents, and of each planted pair its ids, its Jaccard similarity and how it was made."""
    documents: list[tuple[str, str]] = []
    pairs: list[dict] = []
    hub = " ".join(pieces[:2])
    vocabulary = " ".join(pieces[:2000]).split()
    place = total = number = 0
    while total < num_bytes:
        count = min(60, max(MIN_PIECES, round(rng.lognormvariate(1.0, 0.8))))
        if place + count > len(pieces):  # less text than asked: the same pieces again, in another order
            rng.shuffle(pieces)
            place = 0
        text = "\n\n".join(pieces[place : place + count])
        place += count
        if rng.random() < HUB_SHARE:
            text = hub + "\n\n" + text
        id_ = f"d{number:07d}"
        number += 1
        family = [(id_, text)]
        if rng.random() < COPIED:
            for copy in range(1 if rng.random() < 0.8 else rng.randint(2, 4)):
                how, changed = _changed(text, vocabulary, rng)
                family.append((f"{id_}-{how}{copy}", changed))
            pairs += _pairs(family)
        if rng.random() < COPIED_EXACTLY:
            family.append((f"{id_}-exact", text))
        documents += family
        total += sum(len(text.encode()) for _, text in family)
    return documents, pairs


def _changed(text: str, vocabulary: list[str], rng: random.Random) -> tuple[str, str]:
    """How a copy was changed, and the copy."""
    words = text.split(" ")
    low, high = CHANGED_WORDS
    share = low * (high / low) ** rng.random()
    num_changes = max(1, round(share * len(words)))
    how = rng.choice(("words", "words", "head", "tail"))
    if how == "head":
        return how, " ".join([*rng.choices(vocabulary, k=3 * num_changes), *words])
    if how == "tail":
        return how, " ".join(words[: max(1, len(words) - 3 * num_changes)])
    for place in sorted(rng.sample(range(len(words)), min(num_changes, len(words))), reverse=True):
        match rng.randrange(3):
            case 0:
                words[place] = rng.choice(vocabulary)
            case 1:
                del words[place]
            case 2:
                words.insert(place, rng.choice(vocabulary))
    return how, " ".join(words)


def _pairs(family: list[tuple[str, str]]) -> Iterator[dict]:
    sets = [shingles(text) for _, text in family]
    for b in range(1, len(family)):
        for a in range(b):
            common = len(sets[a] & sets[b])
            jaccard = common / (len(sets[a]) + len(sets[b]) - common)
            yield {"a": family[a][0], "b": family[b][0], "jaccard": jaccard}


def _write(documents: list[tuple[str, str]], folder: Path, num_bytes: int) -> list[int]:
    sizes = []
    for number in range(NUM_FILES):
        part = documents[number::NUM_FILES]
        path = folder / f"{number:02d}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for id_, text in part:
                file.write(json.dumps({"id": id_, "text": text}, ensure_ascii=False) + "\n")
        sizes.append(sum(len(text.encode()) for _, text in part))
    return sizes


if __name__ == "__main__":
    place = os.environ.get("DOMAINLM_DATA")
    print(corpus(Path(sys.argv[1]), int(sys.argv[2]), Path(place) if place else None))
