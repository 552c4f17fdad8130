"""The one table of scores, and how each is computed from labels and probabilities."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlp.errors import SettingsError
from mlp.predictions import Evaluation, Floats, Labels
from mlp.softmax import log_softmax
from mlp.tables import Table

Weights = NDArray[np.float32]

CALIBRATION_BINS = 15  # Guo et al. 2017, arXiv:1706.04599
# Of names that others give: what they are measured on, and other words for our metrics
_SPLIT = "val|valid|validation|test|eval|final|train|training"
_PARTS = re.compile(rf"^({_SPLIT})[_.-]|[_.-]({_SPLIT})$")
_SYNONYMS = {"acc": "accuracy", "accuracy_score": "accuracy", "f1_macro": "macro_f1"}
_SYNONYMS |= {"auc": "roc_auc", "roc_auc_score": "roc_auc", "bal_acc": "balanced_accuracy"}
_LOSSES = re.compile(
    r"loss|error|mse|mae|mape|perplexity|ppl|nll|brier|deviance|entropy|(?<![^_/-])(wer|cer|fid)\b",
    re.I,
)


@dataclass(frozen=True)
class Metric:
    """A score: its English name, its unit and direction, and how it is computed.

    `weighted` takes weights of images (R, N) and gives scores (R,): arms can be compared by the
    metrics that have it. `final` is computed of the kept network, else it is the score with equal
    weights; `epoch` after every epoch, and has to be quick. `final` gives None where it is not
    defined; comparisons need images of `classes` classes.
    """

    words: str
    weighted: Callable[[Evaluation, Weights], Floats] | None = None
    final: Callable[[Evaluation], float | None] | None = None
    epoch: Callable[[Evaluation], float] | None = None
    higher_is_better: bool = True
    unit: Literal["percent", "nats", "none"] = "percent"
    classes: int = 1

    def scores(self, result: Evaluation, weights: Iterator[Weights]) -> Floats:
        """The score of each resample, block by block."""
        assert self.weighted is not None
        return np.concatenate([self.weighted(result, block) for block in weights])

    def score(self, result: Evaluation) -> float:
        """The score of the images as they are."""
        return float(self.scores(result, iter([np.ones((1, len(result.labels)), np.float32)]))[0])


def watched(name: str) -> str:
    """The metric of every epoch by which a training is watched that is judged by another one."""
    if METRICS[name].epoch:
        return name
    return "accuracy" if METRICS[name].higher_is_better else "loss"


def recognized(logged: str) -> str | None:
    """The row of METRICS that a name such as `val_acc` or `final/accuracy` stands for."""
    name = _PARTS.sub("", logged.rpartition("/")[2].lower())
    name = _SYNONYMS.get(name, name)
    return name if name in METRICS else None


def higher_is_better(logged: str) -> bool:
    """The direction of a metric that somebody logged, by its name."""
    known = recognized(logged)
    return METRICS[known].higher_is_better if known else not _LOSSES.search(logged)


def require(metric: str, classes: Collection[str], whose: str) -> None:
    """Raise SettingsError where a metric is not defined on images of these classes.

    `whose` images they are, in words: `of seed 3`.
    """
    if len(classes) < METRICS[metric].classes:
        defined = [name for name, other in COMPARED.items() if other.classes <= len(classes)]
        raise SettingsError(
            f"metric: {metric} compares images of a class with those of others, and the validation "
            f"images{whose} are all of class {', '.join(classes)!r}; choose one of "
            f"{', '.join(defined)}, or validate on images of all classes"
        )


def epoch_scores(labels: Labels, logits: NDArray[np.float32]) -> dict[str, float]:
    """The few scores that are worth their time after every epoch.

    Sums over images, so batches do not matter. Averages over classes leave out those with neither
    an image nor a prediction.
    """
    logs = log_softmax(logits)
    result = Evaluation(np.empty(0, np.str_), labels, logs, ())
    return {name: metric.epoch(result) for name, metric in METRICS.items() if metric.epoch}


def final_scores(result: Evaluation) -> dict[str, float]:
    """All scores of a model, without those that are not defined on its images."""
    scores = {
        name: metric.final(result) if metric.final else metric.score(result)
        for name, metric in METRICS.items()
        if metric.final or metric.weighted
    }
    return {name: value for name, value in scores.items() if value is not None}


def calibration_error(result: Evaluation) -> float:
    """Expected calibration error: |accuracy - confidence| in each bin, weighted by its images."""
    confidence = result.probabilities.max(axis=1)
    correct = result.predicted == result.labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    difference = np.bincount(bins, correct - confidence, CALIBRATION_BINS)
    return float(np.abs(difference).sum() / len(result.labels))


def _final_log_loss(result: Evaluation) -> float:
    from sklearn.metrics import log_loss

    every = range(len(result.classes))
    return float(log_loss(result.labels, result.probabilities, labels=every))


def _specificity(result: Evaluation) -> float | None:
    """The mean over the classes that have negatives."""
    from sklearn.metrics import multilabel_confusion_matrix

    per_class = multilabel_confusion_matrix(result.labels, result.predicted)
    true_negative, false_positive = per_class[:, 0, 0], per_class[:, 0, 1]
    negatives = true_negative + false_positive
    if not negatives.any():
        return None
    return float((true_negative[negatives > 0] / negatives[negatives > 0]).mean())


def _final_roc_auc(result: Evaluation) -> float | None:
    """One-vs-rest, the mean over the classes that have both positives and negatives."""
    from sklearn.metrics import roc_auc_score

    labels, shares = result.labels, result.probabilities
    areas = [
        roc_auc_score(labels == k, shares[:, k])
        for k in range(shares.shape[1])
        if 0 < (labels == k).sum() < len(labels)
    ]
    return float(np.mean(areas)) if areas else None


def _accuracy(result: Evaluation, weights: Weights) -> Floats:
    right = (result.predicted == result.labels).astype(np.float32)
    return np.asarray((weights @ right) / weights.sum(axis=1, dtype=np.float64))


def _log_loss(result: Evaluation, weights: Weights) -> Floats:
    given = result.probabilities[np.arange(len(result.labels)), result.labels]
    tiny = np.finfo(np.float64).eps
    losses = -np.log(np.clip(given, tiny, 1 - tiny))
    return np.asarray(weights @ losses / weights.sum(axis=1, dtype=np.float64))


def _counts(result: Evaluation, weights: Weights) -> tuple[Weights, Weights, Weights]:
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


def _macro_f1(result: Evaluation, weights: Weights) -> Floats:
    positives, images, said = _counts(result, weights)
    both = images + said
    return _mean_where(2 * positives / np.maximum(both, 1), both > 0)


def _balanced_accuracy(result: Evaluation, weights: Weights) -> Floats:
    positives, images, _ = _counts(result, weights)
    return _mean_where(positives / np.maximum(images, 1), images > 0)


def _roc_auc(result: Evaluation, weights: Weights) -> Floats:
    areas = [
        _area(result.labels == k, result.probabilities[:, k], weights)
        for k in range(len(result.classes))
    ]
    stacked = np.stack(areas, axis=1)
    return _mean_where(np.nan_to_num(stacked), np.isfinite(stacked))


def _area(positive: NDArray[np.bool_], scores: Floats, weights: Weights) -> Floats:
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


def _right(result: Evaluation) -> float:
    return float((result.predicted == result.labels).mean())


def _f1(result: Evaluation) -> float:
    return float(result.by_class[2].mean())


def _recall(result: Evaluation) -> float:
    """The mean over the classes that have images."""
    return float(result.by_class[1][result.by_class[3] > 0].mean())


def _loss(result: Evaluation) -> float:
    """Mean cross-entropy, of logs of probabilities."""
    every = np.arange(len(result.labels))
    return float(-result.probabilities[every, result.labels].mean())


METRICS: Table[Metric] = Table(
    "metric",
    {
        "loss": Metric("loss", None, None, _loss, False, "nats"),
        "accuracy": Metric("accuracy", _accuracy, _right, _right),
        "macro_f1": Metric("macro F1", _macro_f1, _f1, _f1),
        "balanced_accuracy": Metric("balanced accuracy", _balanced_accuracy, _recall, _recall),
        "precision": Metric("precision", None, lambda a: float(a.by_class[0].mean())),
        "recall": Metric("recall", None, lambda a: float(a.by_class[1].mean())),
        "specificity": Metric("specificity", None, _specificity),
        "log_loss": Metric("log loss", _log_loss, _final_log_loss, None, False, "nats"),
        "calibration_error": Metric("calibration error", None, calibration_error, None, False),
        "roc_auc": Metric("ROC AUC", _roc_auc, _final_roc_auc, classes=2),
    },
)
# Those by which arms can be compared, and those of every epoch
COMPARED = Table("metric", {name: row for name, row in METRICS.items() if row.weighted})
MONITORED = Table("metric", {f"val/{name}": row for name, row in METRICS.items() if row.epoch})
