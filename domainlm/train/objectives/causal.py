"""Predict the next token of the same document: packed rows train as the separate documents would, to 1e-5."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from domainlm.records import Batch
from domainlm.train import packed, varlen
from domainlm.train.packed import IGNORED, Inputs, Setting

# B rows, T tokens, V vocabulary


def special_tokens(sequence_tokens: int) -> tuple[str, ...]:
    return ()


def inputs(batch: Batch, setting: Setting) -> Inputs:
    """Tokens, positions that restart with each document, and labels that stop at its end."""
    input_BT, document_BT, position_BT = packed.rows(batch)
    target_BT = torch.from_numpy(batch.target_BT)
    label_BT = target_BT.masked_fill(target_BT < 0, IGNORED)
    return {"input_BT": input_BT, "document_BT": document_BT, "position_BT": position_BT, "label_BT": label_BT}


def logits(model: PreTrainedModel, inputs: Inputs) -> Tensor:
    """(B, T, V).

    No attention mask and no cache: only so does transformers keep attention inside the documents that the positions
    show. With an all-ones mask, or the default cache, documents would see each other, in silence. BLOOM takes no
    positions: its mask shows the documents, and ALiBi's bias is made from that (`packed.alibi`).
    """
    if model.config.model_type == "bloom":
        mask_B1TT = packed.added(packed.before(inputs["document_BT"]))
        return model(input_ids=inputs["input_BT"], attention_mask=mask_B1TT, use_cache=False).logits
    apart = varlen.documents(model, inputs)
    return model(input_ids=inputs["input_BT"], position_ids=inputs["position_BT"], use_cache=False, **apart).logits
