"""A study goes on until each arm has a verdict, and does not train what decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest

from mlp.evidence.comparison import Comparison
from mlp.evidence.findings import weigh
from mlp.evidence.looks import HOPELESS
from mlp.execution.executor import run
from mlp.study.arm import Arm
from mlp.study.plan import Study
from mlp.study.record import RecordedRun, RecordedStudy
from mlp.study.tracker import Tracker
from mlp.tracking.memory import MemoryStudies, MemoryTracker
from mlp.workflows.rounds import Aim, Rounds
from tests.study.conftest import MakeRecorded, MakeStudy

MOST = 12
POINT = Aim("accuracy", 0.01, 0)
Accuracies = Mapping[str, Sequence[float | None]]


class Scripted:
    """A tracker of runs that have the given accuracies, by arm and seed, as soon as planned."""

    run_id = "study"

    def __init__(self, accuracies: Accuracies, images: int) -> None:
        self.accuracies, self.make = accuracies, MakeRecorded(images)
        self.studies = self
        self.rounds: list[Counter[str]] = []

    def plan(self, contents: Mapping[str, Any], split: object) -> None:
        self.contents = contents

    def train(self, part: Study) -> None:
        self.rounds.append(Counter(spec.arm for spec in part.specs))

    def read(self, run_id: str) -> RecordedStudy:
        runs: list[RecordedRun] = [
            self.make.run(p["arm"], p["seed"], self.accuracies[p["arm"]][p["seed"]], p["fold"])
            for p in self.contents["runs"]
        ]
        arms = [Arm(**arm) for arm in self.contents["arms"]]
        return RecordedStudy(
            "study", "1", "a study", "colors", "label", "test", "Which?", arms, {}, [], runs
        )


def told(study: Study, aim: Aim, accuracies: Accuracies, images: int = 1000) -> Scripted:
    tracker = Scripted(accuracies, images)
    Rounds(study, cast(Tracker, tracker), [], aim).train(tracker.train)
    return tracker


def table(tracker: Scripted | MemoryTracker, margin: float = 0.01) -> dict[str, Comparison]:
    study = tracker.studies.read(tracker.run_id)
    return {c.name: c for c in weigh(study, "accuracy", margin).comparisons}


@pytest.fixture
def study(make_study: MakeStudy) -> Study:
    names = ("base", "better", "far", "noisy")
    arms = [Arm(name, {"dropout": 0.1 * k} if k else {}, "") for k, name in enumerate(names)]
    return make_study(*arms, seeds=tuple(range(MOST)))


def accuracies(**means: tuple[float, float]) -> dict[str, list[float]]:
    """By arm, of a mean and a deviation."""
    rng = np.random.default_rng(0)
    return {arm: list(rng.normal(mean, spread, MOST)) for arm, (mean, spread) in means.items()}


def test_arms_end_with_their_verdict_or_without_hope(study: Study) -> None:
    made = accuracies(base=(0.6, 0.005), better=(0.66, 0.01), far=(0.9, 0.01), noisy=(0.6, 0.1))
    tracker = told(study, POINT, made)
    rounds, found = tracker.rounds, table(tracker)
    assert rounds[0] == dict.fromkeys(made, 3)
    assert found["far"].verdict == "better" and found["better"].verdict == "better"
    assert found["far"].pairs < found["better"].pairs < MOST
    assert found["noisy"].verdict == "undecided" and found["noisy"].pairs < MOST
    assert found["noisy"].chance(MOST) < HOPELESS
    # An arm has a run in each round up to its last one, and the baseline as long as any arm
    last = {arm: n for n, each in enumerate(rounds) for arm in each}
    for name, comparison in found.items():
        assert comparison.pairs == 3 + last[name]
    assert last["base"] == max(last.values()) == len(rounds) - 1
    # Nothing is planned that was not trained
    assert len(tracker.contents["runs"]) == sum(each.total() for each in rounds)


def test_the_time_may_be_limited(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    made = accuracies(base=(0.6, 0.005), better=(0.66, 0.01), far=(0.9, 0.01), noisy=(0.6, 0.1))
    assert len(told(study, POINT, made).rounds) > 1
    assert len(told(study, Aim("accuracy", 0.01, 1e-9), made).rounds) == 1
    assert "would not end within 1e-09 minutes" in capsys.readouterr().out


def test_a_baseline_that_fails_ends_the_study(study: Study) -> None:
    failed = {name: [None] * MOST for name in ("base",)}
    others = accuracies(better=(0.7, 0.01), far=(0.9, 0.01), noisy=(0.6, 0.1))
    assert len(told(study, POINT, {**failed, **others}).rounds) == 1


def test_a_cross_validation_begins_with_one_seed(make_study: MakeStudy) -> None:
    arms = Arm("base", {}, ""), Arm("far", {"dropout": 0.1}, "")
    study = make_study(*arms, seeds=(0, 1, 2), folds=("1/3", "2/3", "3/3"))
    tracker = told(study, POINT, accuracies(base=(0.6, 0.005), far=(0.9, 0.01)))
    assert tracker.rounds[0] == {"base": 3, "far": 3}


def test_rounds_are_told(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    made = accuracies(base=(0.6, 0.005), better=(0.66, 0.01), far=(0.9, 0.01), noisy=(0.6, 0.1))
    tracker = told(study, POINT, made)
    said = [line for line in capsys.readouterr().out.splitlines() if "have a verdict" in line]
    assert len(said) == len(tracker.rounds)
    assert "still undecided: better (at most 18 more trainings)" in said[0]
    assert said[-1].startswith("2 of 3 arms have a verdict")
    assert any("more seeds would hardly decide noisy" in line for line in said)


@pytest.mark.parametrize("stop_at", [1, 2])
def test_an_interrupted_study_ends_as_another(make_study: MakeStudy, stop_at: int) -> None:
    arms = Arm("base", {}, ""), Arm("frozen", {"lr": 1e-9}, ""), Arm("noisy", {"dropout": 0.5}, "")
    study = make_study(*arms, seeds=tuple(range(5)), epochs=8)

    def trained(studies: MemoryStudies, interrupted: int) -> tuple[MemoryTracker, int]:
        tracker, rounds = MemoryTracker(studies, study.label), 0

        def train(part: Study) -> None:
            nonlocal rounds
            rounds += 1
            run(part, tracker)
            if rounds == interrupted:
                raise KeyboardInterrupt

        try:
            Rounds(study, tracker, [], Aim("accuracy", 0.0, 0)).train(train)
        except KeyboardInterrupt:
            tracker.end("KILLED")
        return tracker, rounds

    whole, rounds = trained(MemoryStudies(), 0)
    assert rounds > 1, "nothing to interrupt"
    studies = MemoryStudies()
    trained(studies, stop_at)
    begun = len(studies.runs)
    again, _ = trained(studies, 0)
    assert table(again, 0.0) == table(whole, 0.0)
    # And trained only what was left
    assert len(studies.runs) == len(whole.studies.runs) > begun > 0
