"""Test-time augmentation: what is averaged, where, and that it is saved with the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlp.data.normalization import Normalization
from mlp.learning.initialization import initialize
from mlp.learning.learner import Learner
from mlp.learning.networks.building import build_network
from mlp.learning.networks.network import Network
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble
from mlp.model.explanation import contributions
from mlp.settings.architecture import VIEWS
from mlp.settings.base import field_choices
from mlp.settings.training import RunConfig


def network(**changes: object) -> Network:
    config = RunConfig.parse({"hidden": (6, 5), "init": "xavier", **changes})
    made = build_network(config, (2, 5, 5), 3)
    initialize(made, "xavier", torch.Generator().manual_seed(0))
    return made.eval()


def images(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 2, 5, 5, generator=torch.Generator().manual_seed(1))


def test_every_choice_has_its_views_all_different() -> None:
    assert tuple(VIEWS) == field_choices(RunConfig, "tta")
    for name, count in {"none": 1, "hflip": 2, "flips": 4, "dihedral": 8}.items():
        seen = VIEWS[name](images())
        assert len({view.numpy().tobytes() for view in seen}) == len(seen) == count
        assert torch.equal(seen[0], images())


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("name", VIEWS)
def test_the_answer_is_the_mean_of_probabilities_over_the_views(name: str, members: int) -> None:
    made = network(tta=name, members=members)
    with torch.no_grad():
        each = [made(view).double().softmax(1) for view in VIEWS[name](images())]
        answer = made.answers(images()).double().softmax(1)
    torch.testing.assert_close(answer, torch.stack(each).mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("turn", [lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.mT])
def test_with_all_eight_it_does_not_matter_how_an_image_lies(turn) -> None:  # type: ignore[no-untyped-def]
    made, x = network(tta="dihedral", network="mixer", patch=2), images()
    with torch.no_grad():
        torch.testing.assert_close(made.answers(turn(x)), made.answers(x), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(made(turn(x)), made(x), atol=1e-3)


def test_epochs_see_the_image_alone_and_the_end_all_views() -> None:
    config = RunConfig(hidden=(6,), tta="hflip", device="cpu")
    learner = Learner(config, (2, 5, 5), 3, 1)
    batches = [(images(), torch.zeros(4, dtype=torch.int64))]
    with torch.no_grad():
        alone, all_views = learner.network(images()), learner.network.answers(images())
    np.testing.assert_allclose(learner.logits(batches), alone, atol=1e-6)
    np.testing.assert_allclose(learner.logits(batches, final=True), all_views, atol=1e-6)


def test_a_saved_network_answers_and_is_explained_as_it_was_scored(tmp_path: Path) -> None:
    normalization = Normalization((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    made = build_network(RunConfig(hidden=(6,), tta="flips"), (3, 5, 5), 3)
    initialize(made, "xavier", torch.Generator().manual_seed(0))
    Checkpoint(made, ("a", "b", "c"), 5, False, normalization).save(tmp_path)
    back = Checkpoint.load(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3)).astype(np.uint8)
    np.testing.assert_allclose(
        back.probabilities(pixels), back.probabilities(pixels[:, :, ::-1]), atol=1e-6
    )
    ensemble = Ensemble((back,), None)  # type: ignore[arg-type]
    found = contributions(ensemble, pixels, np.array([0, 1, 2]))
    # What normalization makes zero
    baseline = back.network.answers(torch.zeros(1, 3, 5, 5)).softmax(1)[0].detach().numpy()
    for row, label in enumerate((0, 1, 2)):
        expected = back.probabilities(pixels[row : row + 1])[0, label] - baseline[label]
        assert found[row].sum() == pytest.approx(expected, abs=0.02)
