"""A tracker that keeps runs in memory: for tests, and for timing a study without tracking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mlp.data.dataset import Dataset
from mlp.errors import NoSuchStudy
from mlp.learning.learner import EpochRecord, Learner
from mlp.predictions import Evaluation
from mlp.study.record import HISTORIES, Histogram, RecordedRun, RecordedStudy, layer_of
from mlp.study.tracker import Outcome, PieceTracker, RunResult, RunSpec, Status, TakenOver

_BINS = 64


class MemoryRun:
    """The record of one run: `epochs`, and `result` once it has finished."""

    def __init__(
        self, spec: RunSpec, run_id: str, owner: str, changed: threading.Condition
    ) -> None:
        """`owner` is the run of the command; `changed` is told when the run has ended."""
        self.spec, self.run_id, self.owner, self._changed = spec, run_id, owner, changed
        self.epochs: list[EpochRecord] = []
        self.result: RunResult | None = None
        self.status, self.reason, self.diverged = "RUNNING", "", False
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
        return self._end("FINISHED", "")

    def fail(self, reason: str, diverged: bool) -> Outcome:
        self.diverged = diverged
        return self._end("FAILED", reason)

    def kill(self, reason: str = "") -> None:
        self._end("KILLED", reason)

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
        spec, evaluation = self.spec, None
        metrics = {name: value for e in self.epochs for name, value in e.metrics.items()}
        if self.result is not None:
            metrics |= {**self.result.scores, **self.result.facts}
            kept = self.result.evaluation
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
            raise TakenOver(f"run {self.run_id} was ended by another tracker")

    def _end(self, status: Status, reason: str) -> Outcome:
        with self._changed:
            self.status, self.reason = status, reason
            self._changed.notify_all()
        return self.outcome(self.spec)


class MemoryStudies:
    """Everything that the trackers of one process record; see `mlp.study.tracker.Studies`."""

    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []  # in the order in which they started
        self.trackers: dict[str, MemoryTracker] = {}
        self.changed = threading.Condition()

    def find(self, which: str) -> str:
        known = [run_id for run_id, own in self.trackers.items() if own.kind != "search"]
        if not known:
            raise NoSuchStudy("nothing is recorded yet; run train, ablation or init first")
        if which != "latest" and which not in known:
            raise NoSuchStudy(f"no run {which!r} is a study: there are {', '.join(known)}")
        return known[-1] if which == "latest" else which

    def read(self, run_id: str) -> RecordedStudy:
        own = self.trackers[self.find(run_id)]
        if own.contents is None:
            raise NoSuchStudy(f"run {run_id} has no plan: it was cut off before its first training")
        study = RecordedStudy.planned(own.contents, run_id, "", "a study", own.label)
        return replace(study, runs=[self._read_run(p, run_id) for p in own.contents["runs"]])

    def _read_run(self, planned: Mapping[str, Any], owner: str) -> RecordedRun:
        found = [run for run in self.runs if run.spec.identity == planned["identity"]]
        if not found:
            return RecordedRun(planned["arm"], planned["seed"], planned["fold"])
        newest = reversed(found)
        best = max(newest, key=lambda run: (run.ended_for_good, run.owner == owner))
        return best.as_recorded(planned["arm"])

    def initial_weights(self, run: RecordedRun) -> Mapping[str, Histogram]:
        found = (own.initial_weights for own in self.runs if own.run_id == run.run_id)
        return next(found, {})

    def file(self, *_: Any) -> bytes | None:
        """Nobody reads a report from memory."""
        return None

    def report(self, *_: Any, **__: Any) -> None:
        """It is not kept."""


class MemoryTracker:
    """Records one study; see `mlp.study.tracker.Tracker`."""

    def __init__(
        self,
        studies: MemoryStudies | None = None,
        label: str = "study",
        *,
        single: bool = False,
        kind: str = "study",
    ) -> None:
        """`studies` are those that it shares with other trackers, for runs that both need."""
        self.studies = studies or MemoryStudies()
        self.label, self.single, self.kind = label, single, kind
        self.run_id = f"study-{len(self.studies.trackers) + 1}"
        self.status = "RUNNING"
        self.contents: Mapping[str, Any] | None = None
        self._tries: dict[tuple[int, str], tuple[int, int]] = {}  # runs left, and tries of those
        self._former = [run for run in self.studies.runs if run.ended_for_good]
        self._claimed: set[str] = set()  # identities of runs that have not started
        self.studies.trackers[self.run_id] = self

    @property
    def runs(self) -> list[MemoryRun]:
        """Its own runs, in the order in which they started."""
        return [run for run in self.studies.runs if run.owner == self.run_id]

    @property
    def training(self) -> set[str]:
        """The identities of the runs that it has claimed and not ended."""
        return self._claimed | {r.spec.identity for r in self.runs if r.status == "RUNNING"}

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        known = [r for r in self.studies.runs if r.ended_for_good]
        if fresh:
            known = [r for r in known if r.owner != self.run_id and r not in self._former]
        good = {run.spec.identity: run for run in known}
        return {s.identity: good[s.identity].outcome(s) for s in specs if s.identity in good}

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        with self.studies.changed:
            taken = self.reuse(specs, fresh=True).keys() | self._others_train(specs)
            free = [spec for spec in specs if spec.identity not in taken]
            self._claimed |= {spec.identity for spec in free}
        return free

    def release(self) -> None:
        with self.studies.changed:
            self._claimed.clear()
            self.studies.changed.notify_all()

    def wait(self, specs: Sequence[RunSpec]) -> None:
        with self.studies.changed:
            first = self._others_train(specs)
            self.studies.changed.wait_for(lambda: not first or self._others_train(specs) != first)

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MemoryRun:
        if self.status != "RUNNING":
            raise TakenOver("the study that this run is a part of was ended")
        return self._begin(spec)

    def remote(self) -> Callable[[], PieceTracker]:
        """A function that opens a tracker of this study: in this process, whose memory it is."""
        return lambda: self

    def ended_already(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        wanted, outcomes = {spec.identity: spec for spec in specs}, {}
        for run in (own for own in self.runs if own.spec.identity in wanted):
            if run.status == "RUNNING":
                run.kill()
            elif run.ended_for_good:
                outcomes[run.spec.identity] = run.outcome(wanted[run.spec.identity])
        return outcomes

    def count_try(self, specs: Sequence[RunSpec]) -> int:
        key = specs[0].config.seed, specs[0].config.fold
        left, count = self._tries.get(key, (0, 0))
        count = count + 1 if left == len(specs) else 1
        self._tries[key] = len(specs), count
        return count

    def forget_tries(self, spec: RunSpec) -> None:
        self._tries.pop((spec.config.seed, spec.config.fold), None)

    def give_up(self, spec: RunSpec, reason: str) -> Outcome:
        return self._begin(spec).fail(reason, diverged=False)

    def plan(self, contents: Mapping[str, Any], split: pd.DataFrame | None) -> None:
        self.contents = contents

    def end(self, status: Status) -> None:
        self.release()
        for run in self.runs:
            if run.status == "RUNNING":
                run.kill()
        self.status = status

    def keep_models(self, run_ids: Collection[str]) -> set[str]:
        return set()  # each run has its own

    def _nothing(self, *_: Any, **__: Any) -> None:
        """Keep nothing that only people read; and nothing is on its way anywhere."""

    describe = log = show = refer_to = _nothing
    draw_curves = take_over_all = deliver = close = _nothing

    def _begin(self, spec: RunSpec) -> MemoryRun:
        with self.studies.changed:
            self._claimed.discard(spec.identity)
            run_id = self.run_id if self.single else f"run-{len(self.studies.runs)}"
            run = MemoryRun(spec, run_id, self.run_id, self.studies.changed)
            self.studies.runs.append(run)
        return run

    def _others_train(self, specs: Sequence[RunSpec]) -> set[str]:
        wanted = {spec.identity for spec in specs}
        others = [own for own in self.studies.trackers.values() if own is not self]
        return {identity for own in others for identity in own.training & wanted}
