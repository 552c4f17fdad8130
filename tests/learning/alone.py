"""A learner in the loop of studies, without a tracker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlp.learning.learner import EpochRecord, Learner
from mlp.study.lockstep import Lane, lockstep


class Alone:
    """Keeps the record of the latest epoch."""

    record: EpochRecord

    def __init__(self, learner: Learner, validation: Any) -> None:
        self._learner, self._validation = learner, validation

    @property
    def outcome(self) -> bool | None:
        return self._learner.finished or None

    def train(self, batches: Any) -> None:
        self.record = self._learner.epoch(batches, self._validation)


def records(learner: Learner, stream: Any) -> Iterator[EpochRecord]:
    """Train to the end, giving each epoch's record as it is made."""
    run = Alone(learner, stream.validation)
    for _ in lockstep([Lane(stream, [run])]):
        yield run.record
