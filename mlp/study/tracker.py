"""What whoever drives trainings may ask of a tracker.

`MlflowTracker` records for people, `Recorder` for tests; both follow these protocols.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp.data.dataset import Dataset
from mlp.learning.learner import EpochRecord, Learner
from mlp.metrics import Evaluation
from mlp.model.ensemble import Ensemble
from mlp.settings.training import Resolved

Status = Literal["FINISHED", "FAILED", "KILLED"]


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

    @property
    def name(self) -> str:
        """Readable and unique within a study."""
        fold = "" if self.config.fold == "none" else f"-fold{self.config.fold.split('/')[0]}"
        return f"{self.arm}-seed{self.config.seed}{fold}"


@dataclass(frozen=True)
class RunResult:
    """What a finished training leaves behind. `scores` are named `final/...`."""

    scores: Mapping[str, float]
    records: Sequence[EpochRecord]
    evaluation: Evaluation
    images: NDArray[np.uint8]  # the validation images as decoded (N, H, W, C)
    ensemble: Ensemble
    example: bytes  # an encoded image, for the model's page
    split: pd.DataFrame | None  # path, class, split, sha256, where the run drew its own


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `scores` are empty unless it is FINISHED; `reason` is set when FAILED."""

    arm: str
    seed: int
    identity: str
    status: Status
    run_id: str
    scores: Mapping[str, float]
    reason: str = ""
    reused: bool = False


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


class Tracker(Protocol):
    """Where the runs of one study are recorded."""

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        """Make runs that are recorded already part of this study; their outcomes by identity.

        Those are runs that ended for good: FINISHED ones, and those that diverged. `fresh`: only
        those that another command has trained since this one began.
        """

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """Those of some runs that this command is to train: no other one does, or has done."""

    def release(self) -> None:
        """Leave to others what was claimed and has not started."""

    def wait(self, specs: Sequence[RunSpec]) -> None:
        """Return when another command no longer trains one of these runs, if it does."""

    def deliver(self) -> None:
        """Wait until all that was recorded is where it can be read."""

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> RunLog:
        """Open the record of a run that is about to train on a data set."""
