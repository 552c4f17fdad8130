"""The answers of a model on labelled images, and tables of them by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlp.escaping import line

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on images: ids (N,), labels (N,), float64 probabilities (N, K).

    After an epoch, the probabilities are their logarithms, and ids and names are left out.
    """

    ids: NDArray[np.str_]
    labels: Labels
    probabilities: Floats
    classes: tuple[str, ...]

    @property
    def present(self) -> list[str]:
        """The classes that there are images of."""
        return [self.classes[label] for label in np.unique(self.labels)]

    @cached_property
    def predicted(self) -> Labels:
        """The most probable class of each image (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def by_class(self) -> tuple[Floats, Floats, Floats, Labels]:
        """Precision, recall, F1 and support of the classes with an image or a prediction."""
        from sklearn.metrics import precision_recall_fscore_support

        made: tuple[Floats, Floats, Floats, Labels] = precision_recall_fscore_support(
            self.labels, self.predicted, average=None, zero_division=0.0
        )
        return made


def confusion(result: Evaluation) -> Labels:
    """Counts (K, K): rows are true classes, columns predicted ones."""
    count = len(result.classes)
    pairs = result.labels * count + result.predicted
    return np.asarray(np.bincount(pairs, minlength=count**2).reshape(count, count), np.int64)


def frequent_confusions(result: Evaluation, most: int = 10) -> list[tuple[int, int, int, int]]:
    """The pairs of classes that are confused most often, from the most frequent one.

    Of each: the true class, the predicted one, how often, and of how many images.
    """
    counts = confusion(result)
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    rows, columns = np.unravel_index(order, counts.shape)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(t, s, int(counts[t, s]), int(totals[t])) for t, s in pairs if counts[t, s]]


def classification_report(result: Evaluation, names: Sequence[str] | None = None) -> str:
    """scikit-learn's table of precision, recall, F1 and support by class; frequent confusions."""
    from sklearn.metrics import classification_report

    shown = [line(name) for name in names or result.classes]
    report: str = classification_report(
        result.labels,
        result.predicted,
        labels=range(len(result.classes)),
        target_names=shown,
        digits=3,
        zero_division=0.0,
    )
    confused = [
        f"{count} of {images}: {shown[true]} taken for {shown[said]}"
        for true, said, count, images in frequent_confusions(result)
    ]
    return "\n".join([report, "most frequent confusions", *confused, ""]) if confused else report
