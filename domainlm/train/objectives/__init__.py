"""Objectives, a file each: what is hidden of a row, and what of it is predicted.

`special_tokens(sequence_tokens)` names the tokens that the vocabulary must have; `inputs(batch, setting)` makes tensors
of a batch, `label_BT` among them, and draws what it hides from the seed and the row's number alone; `logits(model,
inputs)` are those of every label. The loss is one for all: cross-entropy over the labels.
"""
