"""Contributions add up to what they explain, and come from where the network looks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mlp.data.familiarity_fit import fit_familiarity
from mlp.data.normalization import Normalization
from mlp.learning.initialization import initialize
from mlp.learning.networks.mlp import MLP
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble
from mlp.model.explanation import contributions, first_layer
from tests.conftest import CLASSES, colored_image

SIDE = 6
PIXELS = np.stack([colored_image(k % 3, np.random.default_rng(k), SIDE) for k in range(9)])


def member(seed: int, mean: float = 0.4, **changes: object) -> Checkpoint:
    network = MLP(3 * SIDE**2, [12, 7], len(CLASSES), **{"activation": "tanh", **changes})  # type: ignore[arg-type]
    initialize(network, "he", torch.Generator().manual_seed(seed))
    return Checkpoint(network, CLASSES, SIDE, False, Normalization((mean,) * 3, (0.2,) * 3))


def ensemble(*members: Checkpoint) -> Ensemble:
    return Ensemble(members, fit_familiarity(PIXELS, np.arange(6), np.arange(6, 9)))


@pytest.mark.parametrize(
    "changes", [{}, {"batch_norm": True, "dropout": 0.5}, {"activation": "relu"}]
)
def test_they_add_up_to_the_probability_beyond_that_of_the_baseline(
    changes: dict[str, object],
) -> None:
    model = ensemble(member(0, **changes), member(1, mean=0.6, **changes))
    labels = model.probabilities(PIXELS).argmax(axis=1)
    found = contributions(model, PIXELS, labels)
    assert found.shape == (9, SIDE, SIDE)
    rows = np.arange(9)
    for each, baseline in zip(model.members, (0.4, 0.6), strict=True):
        flat = np.full_like(PIXELS, round(255 * baseline))  # 102 and 153: exactly these
        gain = each.probabilities(PIXELS)[rows, labels] - each.probabilities(flat)[rows, labels]
        alone = contributions(dataclasses.replace(model, members=(each,)), PIXELS, labels)
        tolerance = 0.03 if changes.get("activation") == "relu" else 0.01
        np.testing.assert_allclose(alone.sum(axis=(1, 2)), gain, atol=tolerance)
        found = found - alone / 2
    np.testing.assert_allclose(found, 0, atol=1e-12)  # an ensemble's are the mean of its members'


def test_a_pixel_that_no_unit_reads_adds_nothing() -> None:
    each = member(0)
    layer = next(m for m in each.network.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        layer.weight.view(-1, 3, SIDE, SIDE)[:, :, 2, 4] = 0
    found = contributions(ensemble(each), PIXELS, np.zeros(9, np.int64))
    assert (found[:, 2, 4] == 0).all()
    assert (np.delete(found.reshape(9, -1), 2 * SIDE + 4, axis=1) != 0).all()


def test_another_class_has_other_contributions_and_all_classes_cancel_out() -> None:
    model = ensemble(member(0))
    every = [contributions(model, PIXELS, np.full(9, k)) for k in range(3)]
    assert not np.allclose(every[0], every[1])
    # probabilities add up to one for the image and for the baseline
    np.testing.assert_allclose(sum(every), 0, atol=1e-6)


def test_many_images_are_explained_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, labels = ensemble(member(0)), np.arange(9) % 3
    together = contributions(model, PIXELS, labels)
    monkeypatch.setattr("mlp.model.explanation._AT_ONCE", 1)
    alone = [contributions(model, PIXELS[k : k + 1], labels[k : k + 1])[0] for k in range(9)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_first_layer_weights_are_images_with_the_largest_first() -> None:
    each = member(0)
    layer = next(m for m in each.network.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        layer.weight[5] *= 100
        layer.weight[3] *= 10
        layer.weight[5].view(3, SIDE, SIDE)[2, 1, 4] = 77.0
    found = first_layer(each, most=4)
    assert found.shape == (4, SIDE, SIDE, 3)
    assert found[0, 1, 4, 2] == 77.0
    third = layer.weight[3].detach().view(3, SIDE, SIDE).permute(1, 2, 0)
    np.testing.assert_array_equal(found[1], third)
    assert len(first_layer(each, most=64)) == 12
