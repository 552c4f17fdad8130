"""The answers of arms to single images: which of them is right where another one is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp.predictions import Evaluation, Floats, Labels


@dataclass(frozen=True)
class Answers:
    """Images, ids (N,) and labels (N,), and what arms say of them: an entry (A, N) for each pair.

    `said` is the class with the highest mean probability over the runs of an arm, `sure` that
    probability, `truth` that of the true class; `right` counts the runs that are right of `runs`.
    """

    ids: NDArray[np.str_]
    labels: Labels
    said: Labels
    sure: Floats
    truth: Floats
    right: Labels
    runs: Labels

    @property
    def correct(self) -> NDArray[np.bool_]:
        """True where an arm is right (A, N)."""
        return np.asarray((self.said == self.labels) & (self.runs > 0))

    def disputed(self) -> NDArray[np.intp]:
        """The images that one arm gets right and another one wrong, the most disputed first."""
        right = self.correct.sum(axis=0)
        pairs = right * ((self.runs > 0).sum(axis=0) - right)
        order = np.argsort(-pairs, kind="stable")
        return np.asarray(order[pairs[order] > 0])

    def between(self, first: int, second: int) -> NDArray[np.intp]:
        """The images that one arm gets right and another one wrong, the clearest first."""
        found = np.flatnonzero(
            self.correct[first] & ~self.correct[second] & (self.runs[second] > 0)
        )
        share = self.right / np.maximum(self.runs, 1)
        order = np.lexsort((
            -(self.truth[first] - self.truth[second])[found],
            -(share[first] - share[second])[found],
        ))  # fmt: skip
        return found[order]


def answers(arms: Sequence[Sequence[Evaluation]]) -> Answers:
    """The answers of the runs of each arm, of which there is at least one."""
    every = [evaluation for arm in arms for evaluation in arm]
    ids, first = np.unique(np.concatenate([e.ids for e in every]), return_index=True)
    labels = np.concatenate([e.labels for e in every])[first]
    shape = len(arms), len(ids)
    said, right, runs = (np.zeros(shape, np.int64) for _ in range(3))
    sure, truth = np.zeros(shape), np.zeros(shape)
    for row, evaluations in enumerate(arms):
        total = np.zeros((len(ids), len(every[0].classes)))
        for evaluation in evaluations:
            place = np.searchsorted(ids, evaluation.ids)
            total[place] += evaluation.probabilities
            right[row, place] += evaluation.predicted == evaluation.labels
            runs[row, place] += 1
        mean = total / np.maximum(runs[row], 1)[:, None]
        said[row], sure[row] = mean.argmax(axis=1), mean.max(axis=1)
        truth[row] = mean[np.arange(len(ids)), labels]
    return Answers(ids, labels, said, sure, truth, right, runs)
