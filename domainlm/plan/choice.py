"""The least sharding that fits a GPU, and a sentence on each other strategy that says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domainlm.plan.memory import NOT_OURS, Memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What was picked of several strategies."""

    pick: str | None
    """Name of the strategy; None where none fits."""
    reasons: Mapping[str, str]
    """A sentence for each strategy, by name."""


def choose(memories: Sequence[Memory], capacity_bytes: int) -> Choice:
    """The first of `memories` (least sharding first) that fits in `capacity_bytes`.

    >>> def of(name, weights):
    ...     rest = dict.fromkeys(["gradients", "optimizer", "activations", "temporary", "host"], 0)
    ...     return Memory(strategy=name, moment="start of backward", weights=weights, **rest)
    >>> choice = choose([of("DDP", 90 * 10**9), of("ZeRO-3", 12 * 10**9)], 80 * 10**9)
    >>> choice.pick, choice.reasons["DDP"]
    ('ZeRO-3', 'needs 90.00 GB, 10.00 GB over the 80.00 GB to be had; most of it is weights (90.00 GB).')
    """
    pick = next((m.strategy for m in memories if m.total <= capacity_bytes and m.strategy not in NOT_OURS), None)
    reasons = {}
    for candidate in memories:
        if candidate.total > capacity_bytes:
            reasons[candidate.strategy] = _too_much(candidate, capacity_bytes)
        elif candidate.strategy in NOT_OURS:
            reasons[candidate.strategy] = f"would fit, but {NOT_OURS[candidate.strategy]}."
        elif candidate.strategy == pick:
            reasons[candidate.strategy] = (
                f"the least sharding that fits: {gigabytes(candidate.total)} of {gigabytes(capacity_bytes)}."
            )
        else:
            reasons[candidate.strategy] = f"fits too, but at the price of {_price(candidate)} that {pick} does without."
    return Choice(pick=pick, reasons=reasons)


def gigabytes(num_bytes: float) -> str:
    """In units of 10^9 bytes; small amounts in 10^6."""
    return f"{num_bytes / 1e9:,.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:,.1f} MB"


def _too_much(memory: Memory, capacity_bytes: int) -> str:
    parts = {name: getattr(memory, name) for name in ("weights", "gradients", "optimizer", "activations", "temporary")}
    most = max(parts, key=lambda name: parts[name])
    name = "optimizer states" if most == "optimizer" else most
    return (
        f"needs {gigabytes(memory.total)}, {gigabytes(memory.total - capacity_bytes)} over the "
        f"{gigabytes(capacity_bytes)} to be had; most of it is {name} ({gigabytes(parts[most])})."
    )


def _price(memory: Memory) -> str:
    return "moving weights and gradients to and from the host" if memory.host else "communication between GPUs"
