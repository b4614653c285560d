"""One work item from its files to a part: read, split off what is held out, normalise, edit, score, hash, write."""

from __future__ import annotations

import numpy as np

from domainlm import compiled
from domainlm.corpus import part, sources
from domainlm.corpus.batch import Spans
from domainlm.corpus.edit import Editor
from domainlm.corpus.ledger import Dropped, Ledger
from domainlm.corpus.normalize import changed_by_normalize
from domainlm.corpus.partwriter import PartWriter
from domainlm.corpus.work import Work


def ingest(work: Work) -> None:
    """Write the part of `work` unless it is there; raises DataError where the records do not add up."""
    if part.finished(work.folder, work.key) is not None:
        return  # a cluster begins a task again from its first item
    compiled.lean()
    ledger, editor = Ledger(), Editor(work.reading)
    writer = PartWriter(work.folder, work.reading)
    for batch in sources.batches(work.item, ledger):
        heldout_D = part.heldout_by_hash(batch.texts, work.item.heldout_share)
        texts, lost = edited(batch.texts, editor)
        for document, reason in lost.items():
            row = Dropped(
                id=str(batch.ids[document], "utf-8"),
                heldout=bool(heldout_D[document]),
                stage="normalize",
                reason=reason,
                text_head="",
            )
            ledger.dropped.append(row)
        left_D = np.ones(len(batch), bool)
        left_D[list(lost)] = False
        writer.add(batch.ids.chosen(left_D), texts.chosen(left_D), heldout_D[left_D])
    writer.close(ledger, editor.counts(), source=work.item.source.name, key=work.key)


def edited(texts: Spans, editor: Editor) -> tuple[Spans, dict[int, str]]:
    """The texts as `normalize` and the edits leave them, and of those of which nothing is left, the reason."""
    if not editor.does_something():
        normal_D = texts.replaced(changed_by_normalize(texts))
        return normal_D, dict.fromkeys(np.flatnonzero(normal_D.num_bytes() == 0).tolist(), "empty")
    changed: dict[int, bytes] = {}
    lost: dict[int, str] = {}
    for number in range(len(texts)):
        read = str(texts[number], "utf-8")
        normal, text = editor.edit(read)
        if not text:
            lost[number] = "nothing is left by the edits" if normal else "empty"
        elif text != read:
            changed[number] = text.encode()
    return texts.replaced(changed), lost
