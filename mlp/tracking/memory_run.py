"""The record of one run that is kept in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlp.learning.learner import EpochRecord, Learner
from mlp.predictions import Evaluation
from mlp.study.record import HISTORIES, Histogram, RecordedRun, layer_of
from mlp.study.tracker import Outcome, RunResult, RunSpec, Status, TakenOver

_BINS = 64


class MemoryRun:
    """The record of one run: `epochs`, and `result` once it has finished."""

    def __init__(
        self, spec: RunSpec, run_id: str, owner: str, ended: Callable[[MemoryRun], None]
    ) -> None:
        """`owner` is the run of the command; `ended` is told when the run has ended."""
        self.spec, self.run_id, self.owner, self._ended = spec, run_id, owner, ended
        self.epochs: list[EpochRecord] = []
        self.result: RunResult | None = None
        self.status, self.reason, self.diverged, self.taken = "RUNNING", "", False, False
        self.initial_weights: dict[str, Histogram] = {}

    def epoch(self, record: EpochRecord, learner: Learner) -> None:
        self._check()
        self.epochs.append(record)
        if record.epoch == 0:
            for name, values in learner.histogram_samples().items():
                if layer := layer_of(name):
                    counts, edges = np.histogram(values.astype(np.float64), _BINS)
                    self.initial_weights[layer] = edges, counts.astype(np.float64)

    def finish(self, result: RunResult) -> Outcome:
        self._check()
        self.result = result
        return self._end("FINISHED")

    def fail(self, reason: str, diverged: bool) -> Outcome:
        self.reason, self.diverged = reason, diverged
        return self._end("FAILED")

    def kill(self, reason: str = "") -> None:
        self.reason = reason
        self._end("KILLED")

    @property
    def ended_for_good(self) -> bool:
        """True where it would end the same way again."""
        return self.status == "FINISHED" or self.diverged

    def outcome(self, spec: RunSpec) -> Outcome:
        """The end of the run, as that of a spec."""
        if self.result is None:
            return Outcome.of(spec, "FAILED", self.run_id, reason=self.reason)
        scores, facts = self.result.scores, self.result.facts
        return Outcome.of(spec, "FINISHED", self.run_id, scores=scores, facts=facts)

    def as_recorded(self, arm: str) -> RecordedRun:
        """The run as evidence and reports read it."""
        spec, result = self.spec, self.result
        metrics = {name: value for e in self.epochs for name, value in e.metrics.items()}
        evaluation = None
        if result is not None:
            metrics |= {**result.scores, **result.facts}
            kept = result.evaluation
            order = np.argsort(kept.ids, kind="stable")
            answers = kept.ids[order], kept.labels[order], kept.probabilities[order]
            evaluation = Evaluation(*answers, kept.classes)
        values = {name: [e.metrics[name] for e in self.epochs if e.epoch] for name in HISTORIES}
        return RecordedRun(
            arm,
            spec.config.seed,
            spec.config.fold,
            self.run_id,
            self.status,
            self.reason,
            metrics=metrics,
            history={name: np.array(made) for name, made in values.items() if made},
            evaluation=evaluation,
            diverged=self.diverged,
            settings=spec.config.as_text(),
            data_digest=spec.data_digest,
            train_images=spec.train_images,
            val_images=spec.val_images,
        )

    def _check(self) -> None:
        if self.status != "RUNNING":
            self.taken = True
            raise TakenOver(f"run {self.run_id} was ended by another tracker")

    def _end(self, status: Status) -> Outcome:
        self.status = status
        self._ended(self)
        return self.outcome(self.spec)
