"""A tracker that keeps everything in memory: for tests, and for timing a study without tracking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from mlp.data.dataset import Dataset
from mlp.data.index import Index
from mlp.errors import NoSuchStudy
from mlp.settings.training import RunConfig
from mlp.study.record import Histogram, RecordedRun, RecordedStudy
from mlp.study.tracker import Outcome, RunSpec, Status, TakenOver, WorkerTracker
from mlp.tracking.memory_run import MemoryRun


class MemoryStudies:
    """Everything that the trackers of one process record; see `mlp.study.tracker.Studies`."""

    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []  # in the order in which they started
        self.ended: list[MemoryRun] = []  # in the order in which they ended
        self.trackers: dict[str, MemoryTracker] = {}
        self.claims: dict[str, str] = {}  # by the identity of a run, who trains it
        self.reports: dict[str, tuple[str, Mapping[str, bytes]]] = {}
        self.changed = threading.Condition(threading.RLock())

    def find(self, which: str) -> str:
        known = [run_id for run_id, own in self.trackers.items() if own.kind != "search"]
        if not known:
            raise NoSuchStudy("nothing is recorded yet; run train, ablation or init first")
        if which != "latest" and which not in known:
            raise NoSuchStudy(f"no run {which!r} is a study: there are {', '.join(known)}")
        return known[-1] if which == "latest" else which

    def read(self, run_id: str) -> RecordedStudy:
        tracker = self.trackers[self.find(run_id)]
        if tracker.contents is None:
            raise NoSuchStudy(f"run {run_id} has no plan: it was cut off before its first training")
        study = RecordedStudy.planned(tracker.contents, run_id, "", tracker.name, tracker.label)
        runs = [self._read_run(planned, tracker) for planned in tracker.contents["runs"]]
        return replace(study, runs=runs)

    def _read_run(self, planned: Mapping[str, Any], tracker: MemoryTracker) -> RecordedRun:
        found = [run for run in self.runs if run.spec.identity == planned["identity"]]
        if not found:
            return RecordedRun(planned["arm"], planned["seed"], planned["fold"])
        newest = reversed(found)
        best = max(newest, key=lambda run: (run.ended_for_good, run.owner == tracker.run_id))
        return best.as_recorded(planned["arm"])

    def initial_weights(self, run: RecordedRun) -> Mapping[str, Histogram]:
        found = (own.initial_weights for own in self.runs if own.run_id == run.run_id)
        return next(found, {})

    def report(
        self,
        study: RecordedStudy,
        metric: str,
        description: str,
        files: Mapping[str, bytes],
        numbers: Mapping[str, float],
    ) -> None:
        self.reports[study.run_id] = description, files

    def begin(self, spec: RunSpec, run_id: str, owner: str) -> MemoryRun:
        """A run that is in training; `run_id` is empty where it has none yet."""
        self.runs.append(MemoryRun(spec, run_id or f"run-{len(self.runs)}", owner, self._end))
        self.claims.setdefault(spec.identity, owner)
        return self.runs[-1]

    def _end(self, run: MemoryRun) -> None:
        with self.changed:
            self.ended.append(run)
            if self.claims.get(run.spec.identity) == run.owner:
                del self.claims[run.spec.identity]
            self.changed.notify_all()


class MemoryTracker:
    """Records one study; see `mlp.study.tracker.Tracker`."""

    def __init__(
        self,
        studies: MemoryStudies | None = None,
        label: str = "study",
        *,
        name: str = "a study",
        single: bool = False,
        kind: str = "study",
    ) -> None:
        """`studies` are those that it shares with other trackers, for runs that both need."""
        self.studies = studies or MemoryStudies()
        self.label, self.name, self.single, self.kind = label, name, single, kind
        self.run_id = f"study-{len(self.studies.trackers) + 1}"
        self.status = "RUNNING"
        self.contents: Mapping[str, Any] | None = None
        self.split: pd.DataFrame | None = None
        self.settings: dict[str, str] = {}
        self.numbers: list[tuple[int, Mapping[str, float]]] = []
        self.shown: tuple[str, Mapping[str, bytes]] | None = None
        self.note = ""
        self.tries: dict[tuple[int, str], tuple[int, int]] = {}  # runs left, and tries of those
        self._begun = len(self.studies.ended)
        self._waiting: set[str] = set()  # claimed, and not started
        self.studies.trackers[self.run_id] = self

    @property
    def runs(self) -> list[MemoryRun]:
        """Its own runs, in the order in which they started."""
        return [run for run in self.studies.runs if run.owner == self.run_id]

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        ended = self._ended_by_others() if fresh else self.studies.ended
        good = {run.spec.identity: run for run in ended if run.ended_for_good}
        wanted = (spec for spec in specs if spec.identity in good)
        return {spec.identity: good[spec.identity].outcome(spec) for spec in wanted}

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        with self.studies.changed:
            taken = {run.spec.identity for run in self._ended_by_others() if run.ended_for_good}
            taken |= self._claimed_by_others(specs)
            free = [spec for spec in specs if spec.identity not in taken]
            self._waiting |= {spec.identity for spec in free}
            self.studies.claims |= {spec.identity: self.run_id for spec in free}
        return free

    def release(self) -> None:
        with self.studies.changed:
            for identity in self._waiting:
                self.studies.claims.pop(identity, None)
            self._waiting.clear()
            self.studies.changed.notify_all()

    def wait(self, specs: Sequence[RunSpec]) -> None:
        with self.studies.changed:
            first = claimed = self._claimed_by_others(specs)
            while claimed and claimed == first:
                self.studies.changed.wait()
                claimed = self._claimed_by_others(specs)

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MemoryRun:
        self._waiting.discard(spec.identity)
        return self._begin(spec)

    def deliver(self) -> None:
        pass

    def remote(self) -> Callable[[], WorkerTracker]:
        """A function that opens a tracker of this study: in this process, whose memory it is."""
        return partial(MemoryWorkerTracker, self)

    def ended_already(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        outcomes = {}
        for spec in specs:
            for run in (own for own in self.runs if own.spec.identity == spec.identity):
                if run.status == "RUNNING":
                    run.kill()
                elif run.ended_for_good:
                    outcomes[spec.identity] = run.outcome(spec)
        return outcomes

    def give_up(self, spec: RunSpec, reason: str) -> Outcome:
        return self._begin(spec).fail(reason, diverged=False)

    def bring_events(self, spec: RunSpec, outcome: Outcome) -> None:
        pass

    def take_over_all(self) -> None:
        pass

    def describe(self, base: RunConfig, index: Index) -> None:
        self.settings = base.as_text()

    def plan(self, contents: Mapping[str, Any], split: pd.DataFrame | None) -> None:
        self.contents, self.split = contents, split

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self.numbers.append((step, metrics))

    def show(self, text: str, shown: Mapping[str, bytes]) -> None:
        self.shown = text, shown

    def refer_to(self, outcome: Outcome) -> None:
        self.kind, self.note = "reference", f"Nothing was trained: see {outcome.run_id}."

    def end(self, status: Status) -> None:
        self.release()
        for run in self.runs:
            if run.status == "RUNNING":
                run.kill()
        self.status = status

    def _begin(self, spec: RunSpec) -> MemoryRun:
        return self.studies.begin(spec, self.run_id if self.single else "", self.run_id)

    def _ended_by_others(self) -> list[MemoryRun]:
        return [run for run in self.studies.ended[self._begun :] if run.owner != self.run_id]

    def _claimed_by_others(self, specs: Sequence[RunSpec]) -> set[str]:
        claims = self.studies.claims
        return {s.identity for s in specs if claims.get(s.identity, self.run_id) != self.run_id}


class MemoryWorkerTracker:
    """Records runs of a study that another tracker has begun; see `WorkerTracker`."""

    def __init__(self, study: MemoryTracker) -> None:
        self._study = study
        self._started: list[MemoryRun] = []

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        return self._study.ended_already(specs)

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        return self._study.claim(specs)

    def release(self) -> None:
        self._study.release()

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MemoryRun:
        if self._study.status != "RUNNING":
            raise TakenOver("the study that this run is a part of was ended")
        self._started.append(self._study.start(spec, parameter_count, dataset))
        return self._started[-1]

    def deliver(self) -> None:
        if any(run.taken for run in self._started):
            raise TakenOver("runs of this piece were ended by another tracker")

    def count_try(self, specs: Sequence[RunSpec]) -> int:
        key = specs[0].config.seed, specs[0].config.fold
        left, count = self._study.tries.get(key, (0, 0))
        count = count + 1 if left == len(specs) else 1
        self._study.tries[key] = len(specs), count
        return count

    def forget_tries(self, spec: RunSpec) -> None:
        self._study.tries.pop((spec.config.seed, spec.config.fold), None)

    def close(self) -> None:
        pass
