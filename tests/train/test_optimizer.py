from __future__ import annotations

import torch
from torch import nn

from domainlm.train.optimizer import clip, groups


def test_matrices_decay_and_norms_and_biases_do_not():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4))
    decaying, staying = groups(model.parameters(), 0.1)
    assert [tuple(p.shape) for p in decaying["params"]] == [(5, 4), (4, 4)]
    assert decaying["weight_decay"] == 0.1
    assert [tuple(p.shape) for p in staying["params"]] == [(4,), (4,), (4,)]
    assert staying["weight_decay"] == 0.0


def test_frozen_weights_are_left_out():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    decaying, staying = groups(model.parameters(), 0.1)
    assert decaying["params"] == []
    assert staying["params"] == [model.bias]


def test_clipping_returns_the_norm_before_and_leaves_the_norm_asked_for():
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[3.0, 4.0]])
    assert clip(model, 1.0) == 5.0
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.6, 0.8]]))
