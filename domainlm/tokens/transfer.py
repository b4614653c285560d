"""What each token of a new vocabulary is made of, in tokens of the base's: where its embeddings may begin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domainlm.errors import StageError

FILE_NAME = "transfer.json"
KIND = "transfer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """From a base's vocabulary to another, which keeps its ids or does not."""

    base_vocab_size: int
    first_id: int
    """The first id that is not the base's own: the base's size where its vocabulary is extended, 0 where another
    stands in for it."""
    pieces: tuple[tuple[int, ...], ...]
    """Of each id from `first_id` on, the base ids that its text is encoded as: of one, it is the same token; of none,
    nothing is known of it."""

    @property
    def vocab_size(self) -> int:
        return self.first_id + len(self.pieces)

    @property
    def num_new(self) -> int:
        """Tokens that are none of the base's."""
        return sum(len(ids) != 1 for ids in self.pieces)

    def num_rows(self, had: int) -> int:
        """Embeddings of a model that `had` so many: one whose ids stay keeps those that no token has."""
        return max(had, self.vocab_size) if self.first_id else self.vocab_size


def save(transfer: Transfer, folder: Path) -> Path:
    """Write it to `folder`; returns its path."""
    path = folder / FILE_NAME
    told = {"base_vocab_size": transfer.base_vocab_size, "first_id": transfer.first_id, "pieces": transfer.pieces}
    path.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Transfer:
    """What `save` wrote. StageError where it is something else."""
    try:
        told = json.loads(path.read_bytes())
        pieces: Sequence[Sequence[int]] = told.pop("pieces")
        return Transfer(pieces=tuple(tuple(ids) for ids in pieces), **told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageError(f"{path} is no transfer between vocabularies: {error}") from error
