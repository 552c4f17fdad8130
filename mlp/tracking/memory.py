"""A tracker that keeps everything in memory: for tests, and for timing a study without tracking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlp.data.dataset import Dataset
from mlp.learning.learner import EpochRecord, Learner
from mlp.study.tracker import Outcome, RunResult, RunSpec


class RecordedRun:
    """The record of one run: `epochs`, and `result` once it has finished."""

    def __init__(self, spec: RunSpec, recorder: Recorder) -> None:
        self.spec = spec
        self.epochs: list[EpochRecord] = []
        self.result: RunResult | None = None
        self.status = "RUNNING"
        self._recorder = recorder

    def epoch(self, record: EpochRecord, learner: Learner) -> None:
        self.epochs.append(record)

    def finish(self, result: RunResult) -> Outcome:
        self.status, self.result = "FINISHED", result
        spec = self.spec
        outcome = Outcome(
            spec.arm, spec.config.seed, spec.identity, "FINISHED", spec.name, result.scores
        )
        self._recorder.ended[spec.identity] = outcome
        return outcome

    def fail(self, reason: str, diverged: bool) -> Outcome:
        self.status = "FAILED"
        spec = self.spec
        outcome = Outcome(
            spec.arm, spec.config.seed, spec.identity, "FAILED", spec.name, {}, reason
        )
        if diverged:
            self._recorder.ended[spec.identity] = outcome
        return outcome

    def kill(self, reason: str = "") -> None:
        self.status = "KILLED"


class Recorder:
    """Keeps every run in `runs`, in the order in which they started."""

    def __init__(self) -> None:
        self.runs: list[RecordedRun] = []
        self.ended: dict[str, Outcome] = {}

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        return {s.identity: self.ended[s.identity] for s in specs if s.identity in self.ended}

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        return list(specs)

    def release(self) -> None:
        pass

    def wait(self, specs: Sequence[RunSpec]) -> None:
        pass

    def deliver(self) -> None:
        pass

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> RecordedRun:
        self.runs.append(RecordedRun(spec, self))
        return self.runs[-1]
