"""Everything that is asked of a tracker, by whatever trains, reports or drives.

`MlflowTracker` records for people, `MemoryTracker` for tests. One suite of tests holds for both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp.data.dataset import Dataset
from mlp.data.index import Index
from mlp.learning.learner import EpochRecord, Learner
from mlp.model.ensemble import Ensemble
from mlp.predictions import Evaluation
from mlp.settings.training import Resolved, RunConfig
from mlp.study.record import Histogram, RecordedRun, RecordedStudy

Status = Literal["FINISHED", "FAILED", "KILLED"]
Numbers = Mapping[str, float]  # by name
Files = Mapping[str, bytes]  # by path


@dataclass(frozen=True)
class RunSpec:
    """A run before it starts: one arm under one seed."""

    arm: str
    config: Resolved
    identity: str
    data_name: str
    data_digest: str
    classes: tuple[str, ...]
    train_images: int
    val_images: int
    varied: tuple[str, ...]  # the settings in which the arms of its study differ
    place: int = 0  # of its arm in the study
    shown: bool = True  # with the pictures that are kept of the first pair of a study alone

    @property
    def name(self) -> str:
        """Readable and unique within a study."""
        fold = "" if self.config.fold == "none" else f"-fold{self.config.fold.split('/')[0]}"
        return f"{self.arm}-seed{self.config.seed}{fold}"


@dataclass(frozen=True)
class RunResult:
    """Everything that a finished training leaves behind."""

    scores: Numbers  # of the network that is kept, named `final/...`
    facts: Numbers  # numbers that are neither good nor bad, named `facts/...`
    records: Sequence[EpochRecord]
    evaluation: Evaluation
    images: NDArray[np.uint8]  # the validation images as decoded (N, H, W, C)
    ensemble: Ensemble
    example: bytes  # an encoded image, for the model's page
    split: str  # path, class, split, sha256 as CSV where the run drew its own, else empty


@dataclass(frozen=True)
class Outcome:
    """The end of a run: with scores and facts when FINISHED, with a reason when FAILED."""

    arm: str
    seed: int
    identity: str
    status: Status
    run_id: str
    scores: Numbers = field(default_factory=dict)
    facts: Numbers = field(default_factory=dict)
    reason: str = ""

    @classmethod
    def of(cls, spec: RunSpec, status: Status, run_id: str, **said: Any) -> Outcome:
        """The end of a run; `said`: its scores and facts, or the reason."""
        return cls(spec.arm, spec.config.seed, spec.identity, status, run_id, **said)


class RunLog(Protocol):
    """The record of one run while it trains."""

    def epoch(self, record: EpochRecord, learner: Learner) -> None:
        """Record an epoch; the learner is asked for weights now and then."""

    def finish(self, result: RunResult) -> Outcome:
        """Record everything that a finished run leaves, and end it as FINISHED."""

    def fail(self, reason: str, diverged: bool) -> Outcome:
        """End the run as FAILED. `diverged`: the same would happen again, so it is not repeated."""

    def kill(self, reason: str = "") -> None:
        """End the run as KILLED, and say why."""


class TakenOver(Exception):
    """Another process has ended a run that this one trains, to train it itself or not at all."""


class PieceTracker(Protocol):
    """The record of runs of a study, by a process that trains one seed (and fold) after another."""

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        """Make runs that are recorded already part of this study; their outcomes by identity.

        Those are runs that ended for good: FINISHED ones, and those that diverged. `fresh`: only
        those that another command has trained since this one began. A process that trains for a
        study which another one has begun finds what earlier tries of the same have ended.
        """

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """Those of some runs that this command is to train: no other one does, or has done."""

    def release(self) -> None:
        """Leave to others what was claimed and has not started."""

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> RunLog:
        """Open the record of a run that is about to train on a data set. Raises TakenOver."""

    def deliver(self) -> None:
        """Wait until all that was recorded is where it can be read. Raises TakenOver."""

    def count_try(self, specs: Sequence[RunSpec]) -> int:
        """Count how often in a row these runs of one seed (and fold) were begun and none ended."""

    def forget_tries(self, spec: RunSpec) -> None:
        """The last one did it: nobody needs their count."""

    def close(self) -> None:
        """Tidy up; the study goes on, and another process will end it."""


class Studies(Protocol):
    """Recorded studies, and the reports on them."""

    def find(self, which: str) -> str:
        """The id of a study's run: the one given, or of the study begun last, which is `latest`.

        Raises NoSuchStudy.
        """

    def read(self, run_id: str) -> RecordedStudy:
        """Everything that is recorded of a study. Raises NoSuchStudy when its plan is not."""

    def initial_weights(self, run: RecordedRun) -> Mapping[str, Histogram]:
        """The distribution of each layer's weights before training; empty where it is gone."""

    def file(self, study: RecordedStudy, name: str) -> bytes | None:
        """A file of the report that is recorded of a study, None where it has none of that name."""

    def report(
        self, study: RecordedStudy, metric: str, description: str, files: Files, numbers: Numbers
    ) -> None:
        """Record a report on a study by a metric, in the place of an earlier one."""


class Tracker(PieceTracker, Protocol):
    """The record of one study by a command: its runs, and a run of the command itself."""

    run_id: str  # of the command

    @property
    def studies(self) -> Studies:
        """The recorded studies, with this one."""

    def wait(self, specs: Sequence[RunSpec]) -> None:
        """Return when another command no longer trains one of these runs, if it does."""

    def remote(self) -> Callable[[], PieceTracker]:
        """A function that another process can be sent, to open a tracker of this study there."""

    def ended_already(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        """Of some runs of this study, how those ended that did for good; by identity.

        Whoever left the others in training is told to stop: they are ended as KILLED.
        """

    def give_up(self, spec: RunSpec, reason: str) -> Outcome:
        """Record that a run could not be trained, and why."""

    def draw_curves(self, specs: Iterable[RunSpec], outcomes: Mapping[str, Outcome]) -> None:
        """Have the learning curves of runs here that ended, wherever they trained, and by arm.

        `outcomes`: the end of each run that has one, by identity.
        """

    def take_over_all(self) -> None:
        """Make the runs of earlier attempts at this study that died part of this one."""

    def keep_models(self, run_ids: Collection[str]) -> set[str]:
        """Keep the models of these runs alone, of those that this command has trained.

        That is where the tracker keeps the models of the best arm. The runs that have no model:
        another arm was the best when they were recorded.
        """

    def describe(self, base: RunConfig, index: Index) -> None:
        """Say in the run of the command what its runs have in common."""

    def plan(self, contents: Mapping[str, Any], split: pd.DataFrame | None) -> None:
        """Record what the study is made of (`Study.plan`), before any of it is trained.

        `split`: the sides of its images, where all its runs share them.
        """

    def log(self, metrics: Numbers, step: int) -> None:
        """Record numbers of the command itself."""

    def show(self, text: str, shown: Files) -> None:
        """Put a report on the study, and its pictures (PNG by name), beside the curves."""

    def refer_to(self, outcome: Outcome) -> None:
        """Say in the run of a single training that another run has these numbers already."""

    def end(self, status: Status) -> None:
        """End the run of the command, and as KILLED whatever of it still runs anywhere.

        Raises ServerAway, or what was wrong with a record.
        """


def status_after(error: BaseException) -> Literal["FAILED", "KILLED"]:
    """The end of a run that was not finished: KILLED where a person, or the system, wanted so."""
    return "FAILED" if isinstance(error, Exception) else "KILLED"


@contextmanager
def ended_if_cut_off(tracker: Tracker) -> Iterator[None]:
    """End the run of a command where what it does fails or is interrupted."""
    try:
        yield
    except BaseException as error:
        tracker.end(status_after(error))
        raise
