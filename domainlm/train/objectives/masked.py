"""Predict hidden tokens from both sides: 15% of them, of which 80% show as the mask, 10% as another token, 10% as is.

Source: arXiv:1810.04805, section 3.1; which tokens are hidden is drawn anew in each row (arXiv:1907.11692).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from domainlm.digest import seed_for
from domainlm.records import Batch
from domainlm.train import packed
from domainlm.train.packed import IGNORED, Inputs, Setting

# B rows, T tokens, V vocabulary

HIDDEN_SHARE = 0.15
MASK_SHARE, OTHER_SHARE = 0.8, 0.1
"""Of what is hidden."""


def special_tokens(sequence_tokens: int) -> tuple[str, ...]:
    return ("<mask>",)


def inputs(batch: Batch, setting: Setting) -> Inputs:
    """Tokens with some of them hidden, their documents and positions, and those that are hidden as labels."""
    tokens_BT, document_BT, position_BT = packed.rows(batch)
    drawn = [_draw(int(row), tokens_BT.shape[1], setting) for row in batch.row_B]
    chance_BT, what_BT, other_BT = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*drawn, strict=True))
    hidden_BT = (chance_BT < HIDDEN_SHARE) & (tokens_BT != setting.end_token_id) & (document_BT != packed.PADDING)
    shown_BT = torch.where(what_BT < MASK_SHARE + OTHER_SHARE, other_BT, tokens_BT)
    shown_BT = shown_BT.masked_fill(what_BT < MASK_SHARE, setting.special_ids[0])
    return {
        "input_BT": torch.where(hidden_BT, shown_BT, tokens_BT),
        "document_BT": document_BT,
        "position_BT": position_BT,
        "label_BT": tokens_BT.masked_fill(~hidden_BT, IGNORED),
    }


def _draw(row: int, num_tokens: int, setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T,) each: whether a token is hidden, how, and the token that may show instead: by the row's number alone."""
    rng = np.random.default_rng(seed_for(setting.seed, "masked", str(row)))
    return rng.random(num_tokens), rng.random(num_tokens), rng.integers(setting.vocab_size, size=num_tokens)


def logits(model: PreTrainedModel, inputs: Inputs) -> Tensor:
    """(B, T, V). Positions alone would leave documents in sight of each other, in silence: so the masks."""
    position_BT, mask_B1TT = inputs["position_BT"], packed.same_document(*[inputs["document_BT"]] * 2)
    kind = model.config.model_type
    if kind == "modernbert":
        mask = {"full_attention": mask_B1TT, "sliding_attention": packed.near(mask_B1TT, model.config.sliding_window)}
        return model(input_ids=inputs["input_BT"], attention_mask=mask, position_ids=position_BT).logits
    if kind == "roberta":
        position_BT = position_BT + model.config.pad_token_id + 1
    return model(input_ids=inputs["input_BT"], attention_mask=mask_B1TT, position_ids=position_BT).logits
