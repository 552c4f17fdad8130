"""Noise over signal of gradients: against per-batch gradients and known populations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mlp.learning.diagnostics import gradient_noise
from mlp.learning.initialization import initialize
from mlp.learning.networks.mlp import MLP

Batch = tuple[torch.Tensor, torch.Tensor]


def made(images: int, size: int, seed: int = 0) -> tuple[MLP, list[Batch]]:
    generator = torch.Generator().manual_seed(seed)
    network = MLP(12, [10], 3, dropout=0.5, batch_norm=True)
    initialize(network, "he", generator)
    labels = torch.randint(3, (images,), generator=generator)
    pixels = torch.randn(images, 3, 2, 2, generator=generator) + labels.view(-1, 1, 1, 1)
    return network, list(zip(pixels.split(size), labels.split(size), strict=True))


def test_it_is_the_variance_of_batch_gradients_over_the_square_of_the_mean() -> None:
    network, batches = made(48, 8)
    network.eval()
    rows = []
    for images, labels in batches:
        gradients = torch.autograd.grad(
            F.cross_entropy(network(images), labels), list(network.parameters())
        )
        rows.append(torch.cat([g.flatten() for g in gradients]).double().numpy())
    variance = np.var(rows, axis=0, ddof=1).sum()
    signal = np.square(np.mean(rows, axis=0)).sum() - variance / 6
    network.train()
    found = gradient_noise(network, batches)
    assert found["init/gradient_noise"] == pytest.approx(variance / signal, rel=1e-4)
    assert found["init/noise_scale"] == pytest.approx(8 * variance / signal, rel=1e-4)
    assert network.training


def test_noise_falls_as_one_over_the_batch_size_and_the_scale_stays() -> None:
    small, large = (gradient_noise(*made(64_000, size)) for size in (80, 1280))
    ratio = small["init/gradient_noise"] / large["init/gradient_noise"]
    assert ratio == pytest.approx(16, rel=0.35)
    assert small["init/noise_scale"] == pytest.approx(large["init/noise_scale"], rel=0.35)


def test_nothing_is_changed_and_no_gradient_is_left() -> None:
    network, batches = made(48, 8)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    gradient_noise(network, batches)
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_it_is_left_out_where_it_cannot_be_estimated() -> None:
    network, batches = made(12, 8)  # one of eight, one of four
    assert gradient_noise(network, batches) == {}
    generator = torch.Generator().manual_seed(1)
    noise = [
        (torch.randn(2, 3, 2, 2, generator=generator), torch.randint(3, (2,), generator=generator))
        for _ in range(200)
    ]
    still = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with torch.no_grad():
        for parameter in still.parameters():
            parameter.zero_()
    found = gradient_noise(still, noise)  # labels know nothing of the images: no signal
    assert not found or found["init/gradient_noise"] > 20
