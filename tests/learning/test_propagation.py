"""Signals before the first step: against sums by hand, and against what the formulas promise."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from mlp.learning.diagnostics import propagation
from mlp.learning.initialization import initialize
from mlp.learning.networks.mlp import MLP
from mlp.settings.training import INITIALIZATIONS


def network(init: str, hidden: tuple[int, ...] = (400, 300), **options: object) -> MLP:
    made = MLP(in_features=300, hidden=hidden, classes=200, **options)  # type: ignore[arg-type]
    initialize(made, init, torch.Generator().manual_seed(0))
    return made


def batch(images: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.randn(images, 3, 10, 10, generator=g), torch.randint(200, (images,), generator=g)


@pytest.mark.parametrize("init", INITIALIZATIONS)
def test_measured_signals_are_the_promised_ones(init: str) -> None:
    found = propagation(network(init), init, *batch())
    assert len(found) == 12
    for layer in ("1", "3", "5"):
        for kind in ("signal", "gradient"):
            measured = found[f"init/{kind}/{layer}"]
            promised = found[f"init/{kind}_promised/{layer}"]
            # The biases of torch's own initialization are not part of the promise
            assert measured == pytest.approx(promised, rel=0.3 if init == "default" else 0.1)


def test_he_keeps_signals_level_under_relu_and_a_small_normal_lets_them_vanish() -> None:
    wide = {"hidden": (400, 400, 400, 400)}
    he = propagation(network("he", **wide), "he", *batch())
    small = propagation(network("normal", **wide), "normal", *batch())
    layers = ("1", "3", "5", "7")
    assert he["init/signal/1"] == pytest.approx(2, rel=0.1)
    for layer in layers:
        assert he[f"init/signal/{layer}"] == pytest.approx(2, rel=0.35)
    vanishing = [small[f"init/signal/{layer}"] for layer in layers]
    for before, after in pairwise(vanishing):
        assert after < 0.05 * before


def test_the_mean_squares_are_those_of_a_forward_and_backward_pass_by_hand() -> None:
    made = network("xavier", hidden=(50,))
    images, labels = batch()
    found = propagation(made, "xavier", images, labels)
    first, last = made.net[1], made.net[3]
    x = images.flatten(1).requires_grad_()
    z = F.linear(x, first.weight, first.bias)  # type: ignore[arg-type]
    h = torch.relu(z)
    loss = F.cross_entropy(F.linear(h, last.weight, last.bias), labels)  # type: ignore[arg-type]
    of_x, of_h = torch.autograd.grad(loss, [x, h])
    assert found["init/signal/1"] == pytest.approx(z.square().mean().item(), rel=1e-5)
    assert found["init/gradient/1"] == pytest.approx(of_x.square().mean().item(), rel=1e-5)
    assert found["init/gradient/3"] == pytest.approx(of_h.square().mean().item(), rel=1e-5)


def test_measuring_changes_nothing_and_draws_nothing() -> None:
    made = network("he", dropout=0.5, batch_norm=True)
    masks = torch.Generator().manual_seed(3)
    made.use_generator(masks)
    made.train()
    before = {name: t.clone() for name, t in made.state_dict().items()}
    states = masks.get_state(), torch.get_rng_state()
    images, labels = batch()
    propagation(made, "he", images, labels)
    assert made.training and not images.requires_grad
    assert all(torch.equal(t, before[name]) for name, t in made.state_dict().items())
    assert all(p.grad is None for p in made.parameters())
    assert torch.equal(masks.get_state(), states[0]) and torch.equal(
        torch.get_rng_state(), states[1]
    )
    assert not made.net[1]._forward_hooks
