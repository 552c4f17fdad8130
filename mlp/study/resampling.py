"""The scores of resampled validation images: what a bootstrap over examples needs.

A resample is a row of weights: how often each image was drawn. Weights of 1 give the score itself,
equal to scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp.learning.scores import Evaluation
from mlp.settings import SettingsError

Floats = NDArray[np.float64]
Weighted = Callable[[Evaluation, NDArray[np.float32]], Floats]

RESAMPLES = 2000
# How many weights are held at once; a bound on memory, not on what is computed
_BLOCK = 2**22


@dataclass(frozen=True)
class Metric:
    """A score by which arms are compared: `weighted` takes weights (R, N) and gives scores (R,).

    It is not defined on images of fewer than `classes` classes.
    """

    higher_is_better: bool
    percent: bool  # shown in percent and percentage points, else in its own unit (nats)
    weighted: Weighted
    classes: int = 1

    def scores(self, result: Evaluation, weights: Iterator[NDArray[np.float32]]) -> Floats:
        """The score of each resample, block by block."""
        return np.concatenate([self.weighted(result, block) for block in weights])

    def score(self, result: Evaluation) -> float:
        """The score of the images as they are."""
        return float(self.weighted(result, np.ones((1, len(result.labels)), np.float32))[0])


def require(metric: str, classes: Collection[str], whose: str) -> None:
    """Raise SettingsError where a metric is not defined on images of these classes.

    `whose` images they are, in words: `of seed 3`.
    """
    if len(classes) < METRICS[metric].classes:
        defined = [name for name, other in METRICS.items() if other.classes <= len(classes)]
        raise SettingsError(
            f"metric: {metric} compares images of a class with those of others, and the validation "
            f"images{whose} are all of class {', '.join(classes)!r}; choose one of "
            f"{', '.join(defined)}, or validate on images of all classes"
        )


def draws(images: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """Weights of bootstrap resamples of so many images: blocks (r, N), rows that sum to N.

    The same for the same arguments: that is what pairs two arms. R rows in all.
    """
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // images)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(0, images, (rows, images)) + np.arange(rows)[:, None] * images
        counts = np.bincount(drawn.ravel(), minlength=rows * images)
        yield counts.reshape(rows, images).astype(np.float32)


def _accuracy(result: Evaluation, weights: NDArray[np.float32]) -> Floats:
    right = (result.predicted == result.labels).astype(np.float32)
    return np.asarray((weights @ right) / weights.sum(axis=1, dtype=np.float64))


def _log_loss(result: Evaluation, weights: NDArray[np.float32]) -> Floats:
    given = result.probabilities[np.arange(len(result.labels)), result.labels]
    tiny = np.finfo(np.float64).eps
    losses = -np.log(np.clip(given, tiny, 1 - tiny))
    return np.asarray(weights @ losses / weights.sum(axis=1, dtype=np.float64))


def _counts(
    result: Evaluation, weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """True positives, images and predictions by class, each (R, K)."""
    every = np.arange(len(result.classes))
    is_class = (result.labels[:, None] == every).astype(np.float32)
    said = (result.predicted[:, None] == every).astype(np.float32)
    return weights @ (is_class * said), weights @ is_class, weights @ said


def _mean_where(values: NDArray[np.floating], present: NDArray[np.bool_]) -> Floats:
    """The mean of each row over the classes that are present in it; NaN where none is."""
    with np.errstate(invalid="ignore"):
        total = np.where(present, values, 0).sum(axis=1, dtype=np.float64)
        return np.asarray(total / present.sum(axis=1))


def _macro_f1(result: Evaluation, weights: NDArray[np.float32]) -> Floats:
    positives, images, said = _counts(result, weights)
    both = images + said
    return _mean_where(2 * positives / np.maximum(both, 1), both > 0)


def _balanced_accuracy(result: Evaluation, weights: NDArray[np.float32]) -> Floats:
    positives, images, _ = _counts(result, weights)
    return _mean_where(positives / np.maximum(images, 1), images > 0)


def _roc_auc(result: Evaluation, weights: NDArray[np.float32]) -> Floats:
    areas = [
        _area(result.labels == k, result.probabilities[:, k], weights)
        for k in range(len(result.classes))
    ]
    stacked = np.stack(areas, axis=1)
    return _mean_where(np.nan_to_num(stacked), np.isfinite(stacked))


def _area(positive: NDArray[np.bool_], scores: Floats, weights: NDArray[np.float32]) -> Floats:
    """Area under the ROC curve: the share of pairs in the right order, ties counting half."""
    _, group = np.unique(scores, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    ordered = weights[:, order]
    ups = np.add.reduceat(ordered * positive[order], starts, axis=1, dtype=np.float64)
    downs = np.add.reduceat(ordered * ~positive[order], starts, axis=1, dtype=np.float64)
    below = np.cumsum(downs, axis=1) - downs / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ups * below).sum(axis=1) / (ups.sum(axis=1) * downs.sum(axis=1)))


METRICS: dict[str, Metric] = {
    "accuracy": Metric(True, True, _accuracy),
    "macro_f1": Metric(True, True, _macro_f1),
    "balanced_accuracy": Metric(True, True, _balanced_accuracy),
    "log_loss": Metric(False, False, _log_loss),
    "roc_auc": Metric(True, True, _roc_auc, classes=2),
}
