"""In = out + dropped by reason + quarantined, for every source and every stage, or there is no corpus."""

# D documents, R reasons, S sources
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from domainlm.corpus.decide import Decided
from domainlm.corpus.part import Part
from domainlm.corpus.pieces import Pieces
from domainlm.errors import DataError
from domainlm.records import Shard

_READ_STAGES = ("read", "normalize")
_SPLITS = ("train", "heldout")


def account(pieces: Pieces, decided: Decided) -> dict[str, dict[str, Any]]:
    """What became of the records of each source, by label, as the manifest's counts hold it.

    `read`, `read_bytes`, `kept` and `kept_bytes` by split, `dropped` by reason, `quarantined`, `edits`, and `stages`:
    what each took in, dropped, quarantined and gave out. Raises DataError where that does not add up.
    """
    source_D, num_sources = pieces.sources(), len(pieces.labels)
    deciding = _deciding(decided, source_D, num_sources)
    kept = np.flatnonzero(decided.decision.kept())
    place = source_D[kept].astype(np.int64) * 2 + pieces.array("heldout")[kept]
    docs_S2 = np.bincount(place, minlength=2 * num_sources).reshape(-1, 2)
    bytes_S2 = _sums(place, decided.stages[-1][1][kept], 2 * num_sources).reshape(-1, 2)
    parts_S: list[list[Part]] = [[] for _ in pieces.labels]
    for piece in pieces:
        parts_S[piece.source].append(piece.part)
    counts = {}
    for number, (label, parts) in enumerate(zip(pieces.labels, parts_S, strict=True)):
        stages = [*_reading(parts), *(rows[number] for rows in deciding)]
        dropped: Counter[str] = Counter()
        for stage in stages:
            dropped.update(stage["dropped"])
        counts[label] = {
            "read": sum(part.num_read for part in parts),
            "read_bytes": sum(part.read_bytes for part in parts),
            "kept": dict(zip(_SPLITS, docs_S2[number].tolist(), strict=True)),
            "kept_bytes": dict(zip(_SPLITS, bytes_S2[number].tolist(), strict=True)),
            "dropped": dict(sorted(dropped.items())),
            "quarantined": sum(part.num_quarantined for part in parts),
            "edits": _edits(parts),
            "stages": stages,
        }
        _check(label, counts[label])
    return counts


def _reading(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The stages that the parts went through when they were read, of one source."""
    rows, num_in = [], sum(part.num_read for part in parts)
    for stage in _READ_STAGES:
        dropped: Counter[str] = Counter()
        for part in parts:
            dropped.update(part.dropped.get(stage, {}))
        quarantined = sum(part.num_quarantined for part in parts) if stage == "read" else 0
        bytes_out = sum(part.read_bytes if stage == "read" else part.text_bytes for part in parts)
        # What reading gave out is not counted by itself; what normalizing gave out is: the rows of the parts.
        num_out = num_in - quarantined - dropped.total()
        if stage == "normalize":
            num_out = sum(part.num_docs for part in parts)
        rows.append(_row(stage, num_in, num_out, dropped, quarantined, bytes_out))
        num_in = num_out
    return rows


def _deciding(decided: Decided, source_D: npt.NDArray[np.int32], num_sources: int) -> list[list[dict[str, Any]]]:
    """For each stage that decided, a row for each source."""
    decision = decided.decision
    names = [stage for stage, _ in decided.stages]
    unknown = {stage for stage, _ in decision.reasons} - set(names)
    if unknown:
        raise DataError(f"documents were dropped at {', '.join(sorted(unknown))}, which is not among the stages")
    # The number of the stage that dropped a document; of one that is kept, that of no stage.
    stage_R = np.array([*(names.index(stage) for stage, _ in decision.reasons), len(names)])
    stage_D = stage_R[decision.reason_D]
    num_reasons = len(decision.reasons)
    pairs = source_D.astype(np.int64) * (num_reasons + 1) + decision.reason_D + 1
    dropped_SR = np.bincount(pairs, minlength=num_sources * (num_reasons + 1)).reshape(num_sources, -1)[:, 1:]
    in_S = np.bincount(source_D, minlength=num_sources)
    rows = []
    for number, (stage, num_bytes_D) in enumerate(decided.stages):
        left_D = stage_D > number
        out_S = np.bincount(source_D[left_D], minlength=num_sources)
        bytes_S = _sums(source_D[left_D], num_bytes_D[left_D], num_sources)
        rows.append([])
        for source in range(num_sources):
            dropped = {
                reason: int(dropped_SR[source, index])
                for index, (at, reason) in enumerate(decision.reasons)
                if at == stage and dropped_SR[source, index]
            }
            rows[-1].append(_row(stage, int(in_S[source]), int(out_S[source]), dropped, 0, int(bytes_S[source])))
        in_S = out_S
    return rows


def _sums(
    group_D: npt.NDArray[np.integer], num_bytes_D: npt.NDArray[np.int64], num_groups: int
) -> npt.NDArray[np.int64]:
    """Bytes of each group; float64, in which they are added up, is exact to 9 PB."""
    return np.bincount(group_D, weights=num_bytes_D, minlength=num_groups).astype(np.int64)


def _row(
    stage: str, num_in: int, num_out: int, dropped: Mapping[str, int], quarantined: int, bytes_out: int
) -> dict[str, Any]:
    return {
        "stage": stage,
        "in": num_in,
        "out": num_out,
        "dropped": dict(sorted(dropped.items())),
        "quarantined": quarantined,
        "bytes_out": bytes_out,
    }


def _edits(parts: Sequence[Part]) -> dict[str, dict[str, int]]:
    names = sorted({name for part in parts for name in part.edits})
    return {
        name: {unit: sum(part.edits.get(name, {}).get(unit, 0) for part in parts) for unit in ("docs", "times")}
        for name in names
    }


def _check(label: str, count: Mapping[str, Any]) -> None:
    num_in = count["read"]
    for row in count["stages"]:
        num_dropped = sum(row["dropped"].values())
        if row["in"] != num_in or row["in"] != row["out"] + num_dropped + row["quarantined"]:
            raise DataError(
                f"{label}: {row['stage']}: {num_in} came and {row['in']} were taken in, but {row['out']} went out + "
                f"{num_dropped} were dropped + {row['quarantined']} quarantined"
            )
        num_in = row["out"]
    num_kept = sum(count["kept"].values())
    if num_in != num_kept:
        raise DataError(f"{label}: the last stage left {num_in}, but {num_kept} are kept")


def check_written(
    counts: Mapping[str, Mapping[str, Any]], shards: Sequence[Shard], dropped: Counter[tuple[str, str]]
) -> None:
    """DataError where what was written is not what was counted: texts, their bytes, and dropped by (source, reason)."""
    for label, count in counts.items():
        for split in _SPLITS:
            own = [s for s in shards if s.kind == "text" and f"{s.domain}/{s.source}" == label and s.split == split]
            written = (sum(s.num_docs for s in own), sum(s.text_bytes for s in own))
            counted = (count["kept"][split], count["kept_bytes"][split])
            if written != counted:
                raise DataError(
                    f"{label}: {written[0]} {split} documents of {written[1]} bytes were written, but {counted[0]} of "
                    f"{counted[1]} are kept"
                )
        listed = {reason: number for (source, reason), number in sorted(dropped.items()) if source == label}
        if listed != count["dropped"]:
            raise DataError(f"{label}: dropped.parquet lists {listed}, but {count['dropped']} were counted")
