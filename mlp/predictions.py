"""The answers of a model on labelled images, and tables of them by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    cells = np.bincount(result.labels * count + result.predicted, minlength=count * count)
    return np.asarray(cells.reshape(count, count), np.int64)


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
    """Precision, recall, F1 and support by class, and the most frequent confusions.

    The table is that of scikit-learn, in a tenth of its time.
    """
    counts = confusion(result)
    right, support, said = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    parts = (right, said), (right, support), (2 * right, support + said)
    scores = np.stack([part / np.maximum(whole, 1) for part, whole in parts], axis=1)  # (K, 3)
    total = int(support.sum())
    named = [line(name) for name in names or result.classes]
    width = max(map(len, [*named, "weighted avg"]))

    def row(name: str, values: Iterable[float], support: int) -> str:
        return f"{name:>{width}} {''.join(f' {value:>9.3f}' for value in values)} {support:>9}\n"

    titles = "".join(f" {title:>9}" for title in ("precision", "recall", "f1-score", "support"))
    confused = [
        f"{count} of {images}: {named[true]} taken for {named[said]}\n"
        for true, said, count, images in frequent_confusions(result)
    ]
    return (
        f"{'':>{width}} {titles}\n\n"
        + "".join(map(row, named, scores, support))
        + f"\n{'accuracy':>{width}} {'':20} {right.sum() / total:>9.3f} {total:>9}\n"
        + row("macro avg", scores.mean(axis=0), total)
        + row("weighted avg", np.average(scores, axis=0, weights=support), total)
        + "".join(["\nmost frequent confusions\n", *confused] if confused else [])
    )
