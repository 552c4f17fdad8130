"""A study as it was recorded, as plain data: what evidence and report read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlp.data.audit.remarks import Remark
from mlp.predictions import Evaluation, Floats
from mlp.settings.training import Resolved
from mlp.study.arm import Arm

Histogram = tuple[Floats, Floats]  # edges (B + 1,), counts (B,)
# The metrics of which a record has the values of all epochs
HISTORIES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "time/epoch_seconds")


def layer_of(name: str) -> str | None:
    """The layer whose weights a histogram is of, None for biases and gradients."""
    match = re.fullmatch(r"weights/(.*)\.weight", name)
    return match and match[1]


@dataclass(frozen=True)
class RecordedRun:
    """One planned run and what became of it.

    `status` is MLflow's, or MISSING where no run is recorded. `metrics`: `final/...` are scores,
    `facts/...` are none. `history`: the values of HISTORIES by epoch. `evaluation` is there for
    FINISHED runs, with images sorted by id.
    """

    arm: str
    seed: int
    fold: str
    run_id: str = ""
    status: str = "MISSING"
    reason: str = "not recorded, or deleted"
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, Floats] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    diverged: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    data_digest: str = ""
    train_images: int = 0
    val_images: int = 0

    @property
    def config(self) -> Resolved:
        """The configuration it was trained with."""
        return Resolved.parse(self.settings)

    @property
    def finished(self) -> bool:
        """True where it has a score to compare."""
        return self.evaluation is not None

    @property
    def pair(self) -> tuple[int, str]:
        """The seed and the fold, which it shares with the runs it is compared with."""
        return self.seed, self.fold


@dataclass(frozen=True)
class RecordedStudy:
    """A study's plan, and its runs by arm and pair."""

    run_id: str
    experiment_id: str
    name: str
    data_name: str
    label: str
    suite: str
    question: str
    arms: Sequence[Arm]  # the first one is the baseline
    base: Mapping[str, str]
    remarks: Sequence[Remark]
    runs: Sequence[RecordedRun]
    classes: Sequence[str] = ()
    commit: str = ""  # of the source that trained it, where that is known
    address: str = ""  # where MLflow shows its pages

    @classmethod
    def planned(
        cls, contents: Mapping[str, Any], run_id: str, experiment_id: str, name: str, label: str
    ) -> RecordedStudy:
        """A study of which only the plan is known. Raises KeyError, TypeError if it is none."""
        plain = ("data_name", "suite", "question", "base", "classes")
        return cls(
            run_id=run_id,
            experiment_id=experiment_id,
            name=name,
            label=label,
            arms=[Arm(**arm) for arm in contents["arms"]],
            remarks=[Remark(**remark) for remark in contents["remarks"]],
            runs=(),
            **{field: contents[field] for field in plain},
        )

    @property
    def pairs(self) -> list[tuple[int, str]]:
        """Seeds and folds, sorted: in whatever order they were planned, a report is the same."""
        return sorted({run.pair for run in self.runs})

    @property
    def arm_names(self) -> list[str]:
        """The names of the arms; the first is the baseline."""
        return [arm.name for arm in self.arms]

    @property
    def has_view(self) -> bool:
        """True where there are runs for the MLflow UI to show together."""
        return len(self.runs) > 1

    @property
    def failure(self) -> str:
        """The reason why there is nothing to report; empty where a run has finished."""
        if any(run.finished for run in self.runs):
            return ""
        ended = Counter(run.status for run in self.runs)
        counts = ", ".join(f"{count} {status}" for status, count in ended.items())
        first = self.runs[0]
        why = f": {first.reason}" if first.reason else ""
        return (
            f"study {self.run_id} has no finished run: {counts} (the first: {first.arm}, seed "
            f"{first.seed}{why})"
        )

    def of(self, arm: str) -> dict[tuple[int, str], RecordedRun]:
        """The runs of an arm by pair."""
        return {run.pair: run for run in self.runs if run.arm == arm}
