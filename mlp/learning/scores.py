"""Everything that is computed from labels and logits. scikit-learn computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn import metrics

from mlp.escaping import line

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


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The softmax of logits (N, K), in double precision."""
    return np.asarray(np.exp(log_softmax(logits.astype(np.float64), axis=1)), np.float64)


def epoch_scores(labels: NDArray[np.int64], logits: NDArray[np.float32]) -> dict[str, float]:
    """The few scores that are worth their time after every epoch.

    Sums over images, so batches do not matter. loss: mean cross-entropy in nats. Averages over
    classes leave out those with neither an image nor a prediction.
    """
    wide = log_softmax(logits.astype(np.float64), axis=1)
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
