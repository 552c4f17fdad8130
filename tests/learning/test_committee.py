"""Several networks as one: each learns as it would alone, and all answer together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlp.data.normalization import Normalization
from mlp.learning.initialization import initialize
from mlp.learning.learner import Learner
from mlp.learning.networks.building import build_network
from mlp.learning.networks.committee import Committee
from mlp.model.checkpoint import Checkpoint
from mlp.settings.training import RunConfig


class Once:
    """A fixed sequence of batches of noise whose mean tells the class."""

    def __init__(self, batches: int = 4) -> None:
        g = torch.Generator().manual_seed(0)
        self.labels = np.arange(6 * batches) % 3
        labels = torch.from_numpy(self.labels)
        images = torch.randn(len(labels), 1, 4, 4, generator=g) + labels.view(-1, 1, 1, 1)
        self._batches = list(zip(images.split(6), labels.split(6), strict=True))

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._batches)


def learner(**changes: object) -> Learner:
    config = RunConfig.parse({"device": "cpu", "hidden": (8, 6), "epochs": 2, **changes})
    return Learner(config, (1, 4, 4), 3, 4)


# Not the mixer with Adam, which makes steps of rounding errors: LayerNorm takes the gradient of the
# bias that mixing across patches ends with
@pytest.mark.parametrize(
    ("network", "optimizer"), [("mlp", "adam"), ("mlp", "sgd"), ("mixer", "sgd")]
)
def test_each_member_learns_what_it_would_alone(network: str, optimizer: str) -> None:
    together = learner(members=3, network=network, optimizer=optimizer, mixup=0.4)
    committee = together.network
    assert isinstance(committee, Committee)
    alone = []
    for member in committee.members:
        one = learner(network=network, optimizer=optimizer, mixup=0.4)
        one.network.load_state_dict(member.state_dict())
        alone.append(one)
    assert len({one.network.state_dict()["net.1.weight"].sum().item() for one in alone}) == 3
    train = Once()
    record = together.epoch(train, train)
    others = [one.epoch(train, train) for one in alone]
    for one, member in zip(alone, committee.members, strict=True):
        for ours, its in zip(one.network.parameters(), member.parameters(), strict=True):
            torch.testing.assert_close(its, ours, rtol=1e-5, atol=1e-6)
    for name in ("train/loss", "train/accuracy"):
        mean = np.mean([other.metrics[name] for other in others])
        assert record.metrics[name] == pytest.approx(mean, rel=1e-5)
    shares = [torch.from_numpy(one.validation_logits).double().softmax(1) for one in alone]
    found = torch.from_numpy(together.validation_logits).double()
    torch.testing.assert_close(found.exp(), torch.stack(shares).mean(0), rtol=1e-4, atol=1e-6)
    # Jensen: the common answer's loss is never above the mean of the members'
    assert record.metrics["val/loss"] <= np.mean([o.metrics["val/loss"] for o in others]) + 1e-6


def test_a_checkpoint_brings_all_members_back(tmp_path: Path) -> None:
    network = build_network(RunConfig(members=2, hidden=(8, 6)), (1, 4, 4), 3)
    initialize(network, "he", torch.Generator().manual_seed(0))
    checkpoint = Checkpoint(network, ("a", "b", "c"), 4, True, Normalization((0.5,), (0.2,)))
    checkpoint.save(tmp_path)
    back = Checkpoint.load(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1)).astype(np.uint8)
    np.testing.assert_array_equal(back.probabilities(pixels), checkpoint.probabilities(pixels))
    np.testing.assert_allclose(back.probabilities(pixels).sum(axis=1), 1, atol=1e-6)
    assert back.features(pixels).shape == (5, 2 * 6)
