"""Settings that are left to the data or the machine, and the threads and time of a training."""

from __future__ import annotations

import pytest
import torch

from mlp.data.dataset import open_index
from mlp.learning.cost import about_seconds, step_threads
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig


@pytest.mark.parametrize(
    ("parameters", "threads"),
    [(1, 1), (1_999_999, 1), (2_000_000, 2), (15_999_999, 2), (16_000_000, 4), (10**9, 4)],
)
def test_threads_follow_from_the_size_of_the_network(parameters: int, threads: int) -> None:
    assert step_threads(parameters) == threads


def test_threads_are_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    index = open_index("digits")
    for cores in (1, 64):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=cores: n)
        assert resolve(RunConfig(), index).threads == 1
        assert resolve(RunConfig(hidden=(2000, 2000)), index).threads == 2
        assert resolve(RunConfig(threads=3), index).threads == 3


def test_a_training_takes_longer_with_more_images_epochs_and_weights() -> None:
    index = open_index("digits")
    base = resolve(RunConfig(), index)
    seconds = about_seconds(base, 10, 1440)
    assert about_seconds(base, 10, 14400) == pytest.approx(10 * seconds)
    assert about_seconds(base.changed({"epochs": 40}), 10, 1440) == pytest.approx(2 * seconds)
    assert about_seconds(base.changed({"hidden": (4096, 4096)}), 10, 1440) > 20 * seconds
