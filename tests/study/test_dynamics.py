"""Speed, smoothness and overfitting of made-up curves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlp.evidence.dynamics import dynamics, learned, overfitting


def history(**curves: list[float]) -> dict[str, np.ndarray]:
    epochs = len(next(iter(curves.values())))
    made = {
        "val/accuracy": np.linspace(0.1, 0.9, epochs),
        "train/loss": np.linspace(2, 1, epochs),
        "val/loss": np.linspace(2, 1, epochs),
        "time/epoch_seconds": np.full(epochs, 0.5),
    }
    return made | {name.replace("__", "/"): np.array(c) for name, c in curves.items()}


def test_the_target_is_reached_in_the_first_epoch_that_has_it() -> None:
    made = dynamics(history(val__accuracy=[0.2, 0.5, 0.4, 0.6]), 0.5)
    assert (made.epochs_to_target, made.seconds_to_target) == (2, 1.0)
    never = dynamics(history(val__accuracy=[0.2, 0.3]), 0.5)
    assert math.isnan(never.epochs_to_target) and math.isnan(never.seconds_to_target)


def test_roughness_is_the_mean_rise_of_the_training_loss() -> None:
    assert dynamics(history(train__loss=[3.0, 2.0, 1.0]), 0.5).roughness == 0
    rough = dynamics(history(train__loss=[3.0, 2.0, 2.6, 1.0, 1.4]), 0.5)
    assert rough.roughness == pytest.approx((0.6 + 0.4) / 4)
    assert (rough.first_loss, rough.last_loss) == (3.0, 1.4)
    assert dynamics(history(train__loss=[3.0]), 0.5).roughness == 0


def test_overfitting_begins_where_validation_loss_is_least() -> None:
    train = np.array([2.0, 1.0, 0.5, 0.2, 0.1, 0.05])
    found = overfitting(train, np.array([1.8, 1.2, 1.0, 1.1, 1.2, 1.3]))
    assert found is not None
    assert (found.epoch, found.val_from, found.val_to) == (3, 1.0, 1.3)
    assert (found.train_from, found.train_to) == (0.5, 0.05)


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ([2.0, 1.0, 0.5], [1.8, 1.2, 1.0]),  # both fall
        ([2.0, 1.0, 0.5, 0.4, 0.3], [1.8, 1.0, 1.02, 1.03, 1.04]),  # within the noise
        ([2.0, 1.0, 0.5, 0.4, 0.3], [1.8, 1.0, 1.5, 1.01, 1.5]),  # it came back in between
        ([2.0, 1.0, 0.5, 0.4], [1.8, 1.2, 1.0, 1.5]),  # a last epoch by itself
        ([2.0, 1.0, 1.5, 1.6, 1.7], [1.8, 1.0, 1.5, 1.6, 1.7]),  # both rise: that is divergence
    ],
)
def test_curves_that_do_not_part_are_no_overfitting(train: list[float], val: list[float]) -> None:
    assert overfitting(np.array(train), np.array(val)) is None


def test_naming_the_most_frequent_class_is_not_learning() -> None:
    labels = np.array([0, 0, 0, 1, 2])
    assert not learned(0.6, labels)
    assert learned(0.61, labels)
