"""Initializations: the mean and spread that the table claims, measured, and what comes of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mlp.learning.initialization import initialize
from mlp.learning.learner import Learner
from mlp.learning.networks.mlp import MLP
from mlp.settings.base import field_choices
from mlp.settings.training import INITIALIZATIONS, OWN_INIT, RunConfig


def initialized(name: str, *widths: int, seed: int = 0) -> list[nn.Linear]:
    network = MLP(widths[0], widths[1:-1], widths[-1])
    initialize(network, name, torch.Generator().manual_seed(seed))
    return [layer for layer in network.net if isinstance(layer, nn.Linear)]


def test_every_choice_of_init_is_in_the_table() -> None:
    # One is not ours: a network of a user's own may bring its weights
    assert set(field_choices(RunConfig, "init")) == {*INITIALIZATIONS, OWN_INIT}


@pytest.mark.parametrize("name", INITIALIZATIONS)
def test_weights_have_the_mean_and_spread_that_the_table_claims(name: str) -> None:
    claim = INITIALIZATIONS[name]
    for layer in initialized(name, 300, 1000, 600):
        weights = layer.weight.detach().double()
        mean, std = weights.mean().item(), weights.std(correction=0).item()
        expected = claim.std(layer.in_features, layer.out_features)
        # Five standard errors; those of a standard deviation are largest for the normal
        errors = 5 / math.sqrt(weights.numel())
        assert abs(mean - claim.mean) <= expected * errors + 1e-9
        assert abs(std - expected) <= expected * errors / math.sqrt(2) + 1e-9


@pytest.mark.parametrize("name", sorted(set(INITIALIZATIONS) - {"default"}))
def test_biases_start_at_zero(name: str) -> None:
    assert all(not layer.bias.any() for layer in initialized(name, 30, 20, 10))


def test_default_is_bitwise_what_torch_does_by_itself() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        theirs = [nn.Linear(40, 30), nn.Linear(30, 20), nn.Linear(20, 10)]
    for ours, layer in zip(initialized("default", 40, 30, 20, 10, seed=5), theirs, strict=True):
        assert torch.equal(ours.weight, layer.weight)
        assert torch.equal(ours.bias, layer.bias)


def test_default_fills_weights_and_biases_up_to_their_bounds() -> None:
    for layer in initialized("default", 100, 4000, 4000):
        bound = 1 / math.sqrt(layer.in_features)
        for values in (layer.weight, layer.bias):
            assert 0.99 * bound < values.max() <= bound
            assert -0.99 * bound > values.min() >= -bound


def test_names_and_seeds_decide_the_weights() -> None:
    first = initialized("he", 30, 20, 10, seed=1)[0].weight
    assert torch.equal(first, initialized("he", 30, 20, 10, seed=1)[0].weight)
    assert not torch.equal(first, initialized("he", 30, 20, 10, seed=2)[0].weight)


def spread_of_units(init: str) -> tuple[list[float], float]:
    """How far apart the units of each hidden layer are after training, and how far it moved one."""
    config = RunConfig(init=init, hidden=(8, 8), epochs=1, lr=0.01, device="cpu")
    learner = Learner(config, (1, 4, 4), 3, steps_per_epoch=20)
    g = torch.Generator().manual_seed(0)
    batches = Batches(
        (torch.rand(16, 1, 4, 4, generator=g), torch.arange(16) % 3) for _ in range(20)
    )
    before = learner.network.net[1].weight.detach().clone()
    learner.epoch(batches, batches)
    hidden = [learner.network.net[k].weight.detach() for k in (1, 3)]
    moved = (hidden[0] - before).abs().max().item()
    return [(weight - weight[0]).abs().max().item() for weight in hidden], moved


class Batches(list):
    @property
    def labels(self):  # type: ignore[no-untyped-def]
        return torch.cat([labels for _, labels in self]).numpy()


def test_constant_never_breaks_the_symmetry_of_units() -> None:
    spreads, moved = spread_of_units("constant")
    assert moved > 1e-3
    assert max(spreads) < 1e-4 * moved


def test_he_breaks_the_symmetry_of_units() -> None:
    spreads, _ = spread_of_units("he")
    assert min(spreads) > 0.1
