"""The course of a run to its score: speed, smoothness, overfitting. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp.predictions import Floats

# Of the baseline's final accuracy under the same seed. A guess: late enough to mean learning, early
# enough that most arms get there.
TARGET_SHARE = 0.9
# Validation loss that stays this far above its minimum over the last epochs, while training loss
# fell on, has parted from it. Guesses, above the noise of one epoch to the next: a share, and nats.
PARTED, PARTED_NATS = 0.05, 0.02
_LAST = 3


@dataclass(frozen=True)
class Overfitting:
    """From `epoch` (counted from 1) on, validation loss rose while training loss fell."""

    epoch: int
    val_from: float
    val_to: float
    train_from: float
    train_to: float


@dataclass(frozen=True)
class Dynamics:
    """One run. Epochs count from 1; NaN: never reached.

    `epochs_to_target`, `seconds_to_target`: until the validation accuracy first reached the target.
    `roughness`: mean rise of the training loss from one epoch to the next, falls counting zero
    (nats an epoch): 0 for a curve that only falls.
    """

    epochs_to_target: float
    seconds_to_target: float
    first_loss: float
    last_loss: float
    roughness: float
    overfitting: Overfitting | None


def dynamics(history: Mapping[str, Floats], target: float) -> Dynamics:
    """Of the metrics of a run by epoch, and the validation accuracy to be reached."""
    none = np.empty(0)
    accuracy, loss = history.get("val/accuracy", none), history.get("train/loss", none)
    seconds = history.get("time/epoch_seconds", none)
    reached = np.flatnonzero(accuracy >= target)
    nan = float("nan")
    return Dynamics(
        float(reached[0] + 1) if len(reached) else nan,
        float(seconds[: reached[0] + 1].sum()) if len(reached) else nan,
        float(loss[0]) if len(loss) else nan,
        float(loss[-1]) if len(loss) else nan,
        float(np.maximum(np.diff(loss), 0).mean()) if len(loss) > 1 else 0.0,
        overfitting(loss, history.get("val/loss", none)),
    )


def overfitting(train_loss: Floats, val_loss: Floats) -> Overfitting | None:
    """The point at which training and validation loss part for good; None where they do not."""
    if not len(val_loss) or not np.isfinite(val_loss).all():
        return None
    best = int(val_loss.argmin())
    since = val_loss[best + 1 :]
    bar = max((1 + PARTED) * val_loss[best], val_loss[best] + PARTED_NATS)
    rose = len(since) >= _LAST and since[-_LAST:].min() > bar
    fell = train_loss[-1] < train_loss[best]
    if not (rose and fell):
        return None
    return Overfitting(
        best + 1,
        float(val_loss[best]),
        float(val_loss[-1]),
        float(train_loss[best]),
        float(train_loss[-1]),
    )


def learned(accuracy: float, labels: NDArray[np.int64]) -> bool:
    """Is a run better than always naming the most frequent class of the images?"""
    return accuracy > float(np.bincount(labels).max() / len(labels))
