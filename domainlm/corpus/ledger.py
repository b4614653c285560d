"""Every record that is read is counted once: it survives, is dropped for a named reason, or is quarantined."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

EXCERPT_BYTES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantined:
    """A record, or the rest of a file, that could not be made a document."""

    file: str
    """Relative to the source's own folder."""
    offset: int
    """Byte (after decompression) at which the record begins; in Parquet, Arrow and datasets, the row."""
    reason: str
    excerpt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """A document that was read and is not kept."""

    id: str
    heldout: bool
    stage: str
    """`read`, `normalize`, `filter`, `exact` or `near`."""
    reason: str
    text_head: str


@dataclass(kw_only=True, slots=True)
class Ledger:
    """What happened to the records of one work item."""

    num_read: int = 0
    """Records met, good or bad. Counted by the reader, so that what comes later can be checked against it."""
    read_bytes: int = 0
    """UTF-8 bytes of the text of the documents read."""
    all_heldout: bool = False
    """Whether all of it was held out beforehand."""
    quarantined: list[Quarantined] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def quarantine(self, file: str, offset: int, reason: str, excerpt: bytes = b"") -> None:
        self.num_read += 1
        text = excerpt[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
        self.quarantined.append(Quarantined(file=file, offset=offset, reason=reason, excerpt=text))

    def drop(self, document_id: str, reason: str, text_head: str = "") -> None:
        """Count a part of a file that is no document, and was never meant to be one: a graphic, an exhibit."""
        self.num_read += 1
        self.dropped.append(
            Dropped(id=document_id, heldout=self.all_heldout, stage="read", reason=reason, text_head=text_head)
        )

    def reasons(self) -> dict[str, int]:
        """Documents dropped, by reason."""
        return dict(sorted(Counter(row.reason for row in self.dropped).items()))
