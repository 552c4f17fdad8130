"""Everything that is computed from labels and logits. scikit-learn computes it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mlp.errors import SettingsError
from mlp.escaping import line
from mlp.softmax import log_softmax

Floats = NDArray[np.float64]

CALIBRATION_BINS = 15  # Guo et al. 2017, arXiv:1706.04599


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on images: ids (N,), labels (N,), float64 probabilities (N, K)."""

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    @property
    def present(self) -> list[str]:
        """The classes that there are images of."""
        return [self.classes[label] for label in np.unique(self.labels)]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each image (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)


def epoch_scores(labels: NDArray[np.int64], logits: NDArray[np.float32]) -> dict[str, float]:
    """The few scores that are worth their time after every epoch.

    Sums over images, so batches do not matter. loss: mean cross-entropy in nats. Averages over
    classes leave out those with neither an image nor a prediction.
    """
    wide = log_softmax(logits)
    predicted = wide.argmax(axis=1)
    _, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, average=None, zero_division=0.0
    )
    return {
        "loss": float(-wide[np.arange(len(labels)), labels].mean()),
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1.mean()),
        "balanced_accuracy": float(recall[support > 0].mean()),
    }


def final_scores(result: Evaluation) -> dict[str, float]:
    """All scores of a model; precision, recall, specificity and F1 are means over classes.

    log_loss is in nats; calibration_error is the expected calibration error of the top
    probability in 15 equal bins; roc_auc is one-vs-rest, the mean over the classes that have both
    positives and negatives, and left out where no class has; so is specificity where no class has
    negatives.
    """
    labels, predicted = result.labels, result.predicted
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, average=None, zero_division=0.0
    )
    per_class = metrics.multilabel_confusion_matrix(labels, predicted)
    true_negative, false_positive = per_class[:, 0, 0], per_class[:, 0, 1]
    negatives = true_negative + false_positive
    scores = {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": float(recall[support > 0].mean()),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "log_loss": float(
            metrics.log_loss(labels, result.probabilities, labels=range(len(result.classes)))
        ),
        "calibration_error": calibration_error(labels, result.probabilities),
    }
    if negatives.any():
        specificity = true_negative[negatives > 0] / negatives[negatives > 0]
        scores["specificity"] = float(specificity.mean())
    areas = [
        metrics.roc_auc_score(labels == k, result.probabilities[:, k])
        for k in range(len(result.classes))
        if 0 < (labels == k).sum() < len(labels)
    ]
    if areas:
        scores["roc_auc"] = float(np.mean(areas))
    return scores


def calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Expected calibration error: |accuracy - confidence| in each bin, weighted by its images."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    difference = np.bincount(bins, correct - confidence, CALIBRATION_BINS)
    return float(np.abs(difference).sum() / len(labels))


def confusion(result: Evaluation) -> NDArray[np.int64]:
    """Counts (K, K): rows are true classes, columns predicted ones."""
    matrix = metrics.confusion_matrix(
        result.labels, result.predicted, labels=range(len(result.classes))
    )
    return np.asarray(matrix, np.int64)


def classification_report(result: Evaluation, names: Sequence[str] | None = None) -> str:
    """scikit-learn's table of precision, recall, F1 and support by class."""
    report: str = metrics.classification_report(
        result.labels,
        result.predicted,
        labels=range(len(result.classes)),
        target_names=[line(name) for name in names or result.classes],
        digits=3,
        zero_division=0.0,
    )
    return report


Weighted = Callable[[Evaluation, NDArray[np.float32]], Floats]


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
