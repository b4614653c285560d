"""Steps that are not taken: by what all ranks know alike, so that all of them skip, and go back, together."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.manifest import write_atomically
from domainlm.specs.recipe import GuardSpec

_WINDOW = 128
_LEAST = 32
"""Fewer steps say nothing of what is usual."""
_PASSED = "passed.json"
MOST_ROLLBACKS = 3


class Rollback(Exception):
    """Too many steps in a row were not taken: from the last checkpoint, training goes on after `step` steps."""

    def __init__(self, step: int, why: str):
        super().__init__(why)
        self.step = step


class Guard:
    """What losses and gradients are usual; its whole state, as plain values, is `state`."""

    def __init__(self, spec: GuardSpec, state: Mapping[str, Any]):
        """`state` is that of an earlier guard, or empty."""
        self.spec = spec
        self.num_skipped = int(state.get("num_skipped", 0))
        """In a row."""
        self.num_taken = 0
        self._history = deque([(loss, log_norm) for loss, log_norm in state.get("history", [])], maxlen=_WINDOW)

    @property
    def state(self) -> dict[str, Any]:
        """Steps skipped in a row; loss, and logarithm of the gradient's norm, of the last steps that were taken."""
        return {"num_skipped": self.num_skipped, "history": [list(pair) for pair in self._history]}

    def refuses(self, loss: float, grad_norm: float) -> str:
        """Why a step with this loss and this norm is not to be taken; empty, and remembered, where it is."""
        for what, value in (("loss", loss), ("gradient's norm", grad_norm)):
            if not math.isfinite(value):
                return self._skip(f"the {what} is {value}")
        seen = (loss, math.log(max(grad_norm, 1e-30)))
        if self.spec.sigmas is not None and len(self._history) >= _LEAST:
            usual = np.array(self._history)
            for what, value, of in zip(("loss", "logarithm of the gradient's norm"), seen, usual.T, strict=True):
                sigmas = (value - of.mean()) / max(float(of.std()), 1e-12)
                if sigmas > self.spec.sigmas:
                    return self._skip(f"the {what} is {value:.4g}, {sigmas:.1f} standard deviations over the last")
        self._history.append(seen)
        self.num_skipped, self.num_taken = 0, self.num_taken + 1
        return ""

    def _skip(self, why: str) -> str:
        self.num_skipped += 1
        return why

    @property
    def goes_back(self) -> bool:
        """Whether enough steps in a row were skipped."""
        return self.num_skipped >= self.spec.max_skips


def passed(work: Path) -> dict[int, int]:
    """The steps that are passed by: from a checkpoint's step to the one that training goes on after."""
    path = work / _PASSED
    return {int(step): to for step, to in json.loads(path.read_bytes()).items()} if path.is_file() else {}


def pass_by(work: Path, step: int, to: int) -> None:
    """Note that training goes on after `to` steps from the checkpoint of `step`: also when it is started anew."""
    write_atomically(work / _PASSED, json.dumps(passed(work) | {step: to}).encode())
