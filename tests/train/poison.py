"""Rows of text that no model can learn from, on one rank or on two."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch

from domainlm.train import loop, step


def poison(rows: Collection[int], put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Make what the model takes of these rows end in a loss that is not finite; `put` replaces a name in a module."""
    whole, begun = step.inputs_of, loop.begin

    def inputs_of(training, batches):
        inputs = whole(training, batches)
        for micro, batch in zip(inputs, batches, strict=True):
            micro["bad"] = torch.tensor(math.nan if np.isin(batch.row_B, list(rows)).any() else 0.0)
        return inputs

    def begin(config, place):
        training = begun(config, place)
        logits = training.learner.logits
        training.learner.logits = lambda model, inputs: logits(model, inputs) + inputs.get("bad", 0.0)
        return training

    put(loop, "inputs_of", inputs_of)
    put(loop, "begin", begin)
