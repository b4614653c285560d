"""An exported model beside its original, on the same tokens: what rounding changed, and what it costs in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from domainlm.digest import seed_for
from domainlm.evaluate import bits, heldout_loss
from domainlm.evaluate.bootstrap import paired_interval
from domainlm.evaluate.subject import Subject

# B rows, T tokens, V vocabulary

LOGIT_ROWS, LOGIT_TOKENS = 16, 256
"""Of what logits are compared on."""
_ROUNDS = 2
"""Both are timed so often, one after the other, and the quicker time of each is taken; once where that takes long."""
_LONG_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Logits:
    """How the logits of two models differ at the same positions."""

    positions: int
    largest: float
    """Largest difference of a logit."""
    mean: float
    """Mean absolute difference of a logit."""
    same_argmax: float
    """Share of the positions at which the likeliest token is the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heldout:
    """What a domain's held-out text costs each of two models; `low` and `high` enclose the difference (95%)."""

    domain: str
    metric: str
    """`bits_per_byte`, or the loss of another objective."""
    docs: int
    original: float
    exported: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """All that was measured of an export."""

    logits: Logits
    heldout: tuple[Heldout, ...]
    """By domain; empty where there was no text."""
    microseconds_per_token: Mapping[str, float]
    """`original` and `exported`, scoring the same text: CPU time, or time on a GPU. Empty where it says nothing."""
    device: str

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@torch.inference_mode()
def logits(original: Any, exported: Any, tokens_BT: torch.Tensor) -> Logits:
    """The difference on `tokens_BT`, a row at a time."""
    largest, total, same, count = 0.0, 0.0, 0, 0
    for row in tokens_BT.split(1):
        inputs = {"input_ids": row}
        if original.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = row
        else:
            inputs["use_cache"] = False
        ours, theirs = (model(**inputs).logits.float() for model in (original, exported))
        gap = (ours - theirs).abs()
        largest, total = max(largest, gap.max().item()), total + gap.double().mean().item()
        same += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
        count += row.numel()
    return Logits(positions=count, largest=largest, mean=total / len(tokens_BT), same_argmax=same / count)


def rows_of(subject: Subject, texts: Sequence[str]) -> torch.Tensor:
    """Tokens to compare logits on: the beginnings of texts; random ones where there are none. Shape (B, T)."""
    length = min(LOGIT_TOKENS, subject.max_position or LOGIT_TOKENS)
    streams = [ids[:length] for ids in subject.encode(texts[: 4 * LOGIT_ROWS]) if len(ids) >= length][:LOGIT_ROWS]
    if streams:
        return torch.tensor(streams, device=subject.model.device)
    rng = np.random.default_rng(seed_for(0, "export", "logits"))
    drawn = rng.integers(subject.model.config.get_text_config().vocab_size, size=(LOGIT_ROWS, length))
    return torch.from_numpy(drawn).to(subject.model.device)


def compare(
    original: Subject,
    exported: Any,
    texts: Mapping[str, Sequence[str]],
    *,
    folder: Path,
    window_tokens: int,
    stride_tokens: int,
    bootstrap_samples: int,
    timed: bool,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Difference:
    """The model `exported` beside `original`, whose folder is `folder`, on `texts` by domain."""
    every = [text for of_domain in texts.values() for text in of_domain]
    # First, so that both are warm when they are timed.
    found = logits(original.model, exported, rows_of(original, every))
    scored: dict[str, list[list[bits.Score]]] = {}
    seconds: dict[str, list[float]] = {"original": [], "exported": []}
    rounds = _ROUNDS if timed else 1
    for number in range(rounds):
        for place, (name, model) in enumerate({"original": original.model, "exported": exported}.items()):
            subject = replace(original, model=model)
            begun = _seconds()
            scores = [_scores(subject, folder, list(t), window_tokens, stride_tokens) for t in texts.values()]
            seconds[name].append(_seconds() - begun)
            scored[name] = scores
            told(2 * number + place + 1, 2 * rounds)
        if max(map(max, seconds.values())) > _LONG_S:
            break
    num_tokens = sum(score.num_tokens for scores in scored["original"] for score in scores)
    return Difference(
        logits=found,
        heldout=tuple(
            _heldout(domain, original.objective, left, right, bootstrap_samples)
            for domain, left, right in zip(texts, scored["original"], scored["exported"], strict=True)
        ),
        microseconds_per_token={name: 1e6 * min(of) / num_tokens for name, of in seconds.items()}
        if timed and num_tokens
        else {},
        device=original.model.device.type,
    )


def _scores(subject: Subject, folder: Path, texts: list[str], window: int, stride: int) -> list[bits.Score]:
    if subject.objective == "causal":
        return bits.score(subject, texts, window_tokens=window, stride_tokens=stride)
    return heldout_loss.score(subject, folder, [str(n) for n in range(len(texts))], texts, window_tokens=window)


def _heldout(domain: str, objective: str, left: list[bits.Score], right: list[bits.Score], samples: int) -> Heldout:
    metric = "bits_per_byte" if objective == "causal" else f"{objective}_loss"
    unit = np.log(2) if objective == "causal" else 1.0
    per = np.array([s.num_bytes if objective == "causal" else s.num_tokens for s in left], dtype=np.float64)
    ours, theirs = (np.array([score.nats for score in scores]) / unit for scores in (left, right))
    low, high = paired_interval(ours, theirs, per, samples, seed_for(0, "export", domain))
    values = [float(total.sum() / per.sum()) for total in (ours, theirs)]
    return Heldout(
        domain=domain,
        metric=metric,
        docs=len(left),
        original=values[0],
        exported=values[1],
        difference=values[1] - values[0],
        low=low,
        high=high,
    )


def _seconds() -> float:
    """CPU time, which others on the machine change little; on a GPU the clock's, when all is computed."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
