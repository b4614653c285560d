"""Write out the spans that are hidden: 15% of the tokens, in spans of three on average, each behind its sentinel.

Source: arXiv:1910.10683, sections 3.1.4 and 3.3. A row of T tokens becomes T - n + s tokens to read and n + s to write,
n = 0.15 T of them hidden in s = n / 3 spans, and an end token for each document. The counts are shared out to the
documents of the row by their lengths, so that rows have these lengths wherever documents begin; sentinels begin anew
with each document, as does what is written of it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from domainlm.digest import seed_for
from domainlm.records import Batch
from domainlm.train import packed
from domainlm.train.packed import IGNORED, PADDING, Inputs, Setting

# B rows, T tokens of text, E tokens read by the encoder, D by the decoder, V vocabulary

HIDDEN_SHARE = 0.15
SPAN_TOKENS = 3.0

Ints = NDArray[np.int64]


def special_tokens(sequence_tokens: int) -> tuple[str, ...]:
    """A sentinel for each span that a document as long as a row has."""
    return tuple(f"<extra_id_{n}>" for n in range(num_spans(sequence_tokens)))


def num_spans(num_tokens: int) -> int:
    """Spans that are hidden in a document.

    >>> num_spans(512), num_spans(3)
    (26, 1)
    """
    return max(1, round(HIDDEN_SHARE * num_tokens / SPAN_TOKENS))


def inputs(batch: Batch, setting: Setting) -> Inputs:
    """What encoder and decoder read, of which document it is, and what the decoder is to write."""
    tokens_BT, document_BT, _ = (tensor.numpy() for tensor in packed.rows(batch))
    made = [_row(*row, setting) for row in zip(tokens_BT, document_BT, batch.row_B.tolist(), strict=True)]
    read, read_document, written, written_document = zip(*made, strict=True)
    label_BD = _padded(written, IGNORED)
    # What is written begins anew with each document; padding at the end may see one, for nothing comes of it.
    document_BD = _padded(written_document, 0)
    begins_BD = torch.ones_like(document_BD, dtype=torch.bool)
    begins_BD[:, 1:] = document_BD[:, 1:] != document_BD[:, :-1]
    decoder_BD = label_BD.roll(1, 1).masked_fill(begins_BD, setting.start_token_id)
    return {
        "input_BE": _padded(read, setting.end_token_id),
        "document_BE": _padded(read_document, PADDING),
        "decoder_BD": decoder_BD.masked_fill(decoder_BD == IGNORED, setting.end_token_id),
        "document_BD": document_BD,
        "label_BT": label_BD,
    }


def _row(tokens_T: Ints, document_T: Ints, row: int, setting: Setting) -> tuple[Ints, Ints, Ints, Ints]:
    """What of a row is read and what is written, each with its documents."""
    rng = np.random.default_rng(seed_for(setting.seed, "span_corruption", str(row)))
    ends = np.flatnonzero(np.diff(document_T, append=PADDING - 1)) + 1
    read, written = [], []
    for begin, end in pairwise([0, *ends.tolist()]):
        if document_T[begin] != PADDING:
            # Rounded over the row and not over each document: so the sums are the row's own.
            hidden = round(HIDDEN_SHARE * end) - round(HIDDEN_SHARE * begin)
            spans = round(HIDDEN_SHARE * end / SPAN_TOKENS) - round(HIDDEN_SHARE * begin / SPAN_TOKENS)
            ours, theirs = _document(tokens_T[begin:end], hidden, spans, rng, setting)
            read.append(ours)
            written.append(theirs)
    numbers = np.arange(len(read))
    of_read, of_written = (np.repeat(numbers, [len(part) for part in parts]) for parts in (read, written))
    return np.concatenate(read), of_read, np.concatenate(written), of_written


def _document(tokens: Ints, hidden: int, spans: int, rng: np.random.Generator, setting: Setting) -> tuple[Ints, Ints]:
    """A document with `hidden` of its tokens in `spans` spans behind sentinels, and what is to be written of it."""
    hidden = min(hidden, len(tokens) - 1)
    if hidden < 1:
        return tokens, np.empty(0, np.int64)
    spans = min(max(spans, 1), hidden, len(tokens) - hidden, len(setting.special_ids))
    lengths = np.stack([_parts(len(tokens) - hidden, spans, rng), _parts(hidden, spans, rng)], axis=1)
    cuts = np.cumsum(lengths.ravel())[:-1]
    pieces, sentinels = np.split(tokens, cuts), np.array(setting.special_ids[:spans])[:, None]
    shown, gone = pieces[0::2], pieces[1::2]
    read = np.concatenate([part for pair in zip(shown, sentinels, strict=True) for part in pair])
    written = [part for pair in zip(sentinels, gone, strict=True) for part in pair]
    return read, np.concatenate([*written, [setting.end_token_id]])


def _parts(total: int, num_parts: int, rng: np.random.Generator) -> Ints:
    """`num_parts` positive integers that sum to `total`, every such list as likely as another."""
    cuts = np.sort(rng.choice(total - 1, num_parts - 1, replace=False)) + 1
    return np.diff(cuts, prepend=0, append=total)


def _padded(rows: tuple[Ints, ...], padding: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.from_numpy(np.stack([np.pad(row, (0, longest - len(row)), constant_values=padding) for row in rows]))


def logits(model: PreTrainedModel, inputs: Inputs) -> Tensor:
    """(B, D, V). The encoder is called first: transformers takes one mask for it and for the decoder's view of it."""
    document_BE, document_BD = inputs["document_BE"], inputs["document_BD"]
    mask_B1EE = packed.same_document(document_BE, document_BE)
    encoded = model.get_encoder()(input_ids=inputs["input_BE"], attention_mask=mask_B1EE)
    return model(
        encoder_outputs=encoded,
        attention_mask=packed.same_document(document_BD, document_BE),
        decoder_input_ids=inputs["decoder_BD"],
        decoder_attention_mask=packed.before(document_BD),
        use_cache=False,
    ).logits
