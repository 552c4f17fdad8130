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
    from sklearn.metrics import confusion_matrix

    every = range(len(result.classes))
    return np.asarray(confusion_matrix(result.labels, result.predicted, labels=every), np.int64)


def classification_report(result: Evaluation, names: Sequence[str] | None = None) -> str:
    """scikit-learn's table of precision, recall, F1 and support by class."""
    from sklearn.metrics import classification_report

    report: str = classification_report(
        result.labels,
        result.predicted,
        labels=range(len(result.classes)),
        target_names=[line(name) for name in names or result.classes],
        digits=3,
        zero_division=0.0,
    )
    return report
