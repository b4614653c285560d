"""Objectives, a file each: `inputs(batch, device)`, `num_targets(inputs)` and `loss_sum(model, inputs)`."""
