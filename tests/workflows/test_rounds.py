"""A study goes on until each arm has a verdict, and does not train what decides nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from mlp.evidence.comparison import Comparison
from mlp.evidence.findings import weigh
from mlp.execution.executor import run
from mlp.study.arm import Arm
from mlp.study.plan import Study
from mlp.tracking.memory import MemoryStudies, MemoryTracker
from mlp.workflows.rounds import Aim, Rounds
from tests.study.conftest import MakeStudy

ARMS = (
    Arm("plain", {}, ""),
    Arm("dead", {"optimizer": "sgd", "lr": 1e-9, "momentum": 0.0}, "learns nothing"),
    Arm("same", {"hidden": (16, 8)}, "what plain is"),
    Arm("noisy", {"dropout": 0.7}, ""),
)
MOST = 6


def trained(
    study: Study, studies: MemoryStudies, aim: Aim, stop_at: int = 99
) -> tuple[MemoryTracker, list[Counter[str]]]:
    """Train a study in rounds, interrupted in one of them; the runs of each arm by round."""
    tracker, rounds = MemoryTracker(studies, study.label), list[Counter[str]]()

    def train(part: Study) -> None:
        rounds.append(Counter(spec.arm for spec in part.specs))
        if len(rounds) == stop_at:
            part = Study(part.suite, part.base, part.source, part.index, part.specs[:2])
            run(part, tracker)
            raise KeyboardInterrupt
        run(part, tracker)

    try:
        Rounds(study, tracker, [], aim).train(train)
    except KeyboardInterrupt:
        tracker.end("KILLED")
    return tracker, rounds


def table(tracker: MemoryTracker, margin: float) -> list[Comparison]:
    return weigh(tracker.studies.read(tracker.run_id), "accuracy", margin).comparisons


@pytest.fixture
def study(make_study: MakeStudy) -> Study:
    return make_study(*ARMS, seeds=tuple(range(MOST)), epochs=8)


def test_arms_end_with_their_verdict(study: Study) -> None:
    aim = Aim("accuracy", 0.2, 0)
    tracker, rounds = trained(study, MemoryStudies(), aim)
    assert rounds[0] == Counter({arm.name: 3 for arm in ARMS})
    found = {c.name: c for c in table(tracker, aim.margin)}
    # To the image like the baseline, and so equal after the first look
    assert found["same"].verdict == "equal" and found["same"].pairs == 3
    assert found["dead"].verdict == "worse"
    last = {arm: n for n, made in enumerate(rounds) for arm in made}
    for name, comparison in found.items():
        assert comparison.pairs == 3 + last[name]
        if comparison.verdict == "undecided":
            assert comparison.pairs == MOST or comparison.chance(MOST) < 0.25
    # The baseline goes on as long as any arm
    assert last["plain"] == max(last.values()) == len(rounds) - 1
    # Nothing is planned that was not trained
    recorded = tracker.studies.read(tracker.run_id)
    assert len(recorded.runs) == sum(made.total() for made in rounds)
    assert all(run.finished for run in recorded.runs)


@pytest.mark.parametrize("stop_at", [1, 2])
def test_an_interrupted_study_ends_as_another(study: Study, stop_at: int) -> None:
    aim = Aim("accuracy", 0.0, 0)
    whole, rounds = trained(study, MemoryStudies(), aim)
    assert len(rounds) > 1, "nothing to interrupt"
    studies = MemoryStudies()
    trained(study, studies, aim, stop_at)
    begun = len(studies.runs)
    again, _ = trained(study, studies, aim)
    assert table(again, 0.0) == table(whole, 0.0)
    assert len(studies.runs) - begun < sum(made.total() for made in rounds)


def test_the_time_may_be_limited(study: Study) -> None:
    _, rounds = trained(study, MemoryStudies(), Aim("accuracy", 0.0, 1e-6))
    assert len(rounds) == 1


def test_a_cross_validation_begins_with_one_seed(make_study: MakeStudy) -> None:
    study = make_study(*ARMS[:2], seeds=(0, 1, 2), folds=("1/3", "2/3", "3/3"), epochs=8)
    _, rounds = trained(study, MemoryStudies(), Aim("accuracy", 0.01, 0))
    assert rounds[0] == Counter({"plain": 3, "dead": 3})


def test_a_baseline_that_fails_ends_the_study(make_study: MakeStudy) -> None:
    wild = {"optimizer": "sgd", "lr": 1000.0, "weight_decay": 1000.0}
    study = make_study(Arm("wild", wild, ""), ARMS[1], seeds=tuple(range(MOST)))
    _, rounds = trained(study, MemoryStudies(), Aim("accuracy", 0.01, 0))
    assert len(rounds) == 1


def test_rounds_are_told(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    _, rounds = trained(study, MemoryStudies(), Aim("accuracy", 0.01, 0))
    said = [line for line in capsys.readouterr().out.splitlines() if "have a verdict" in line]
    assert len(said) == len(rounds)
    assert "of 3 arms have a verdict" in said[0]
