"""Evidence of recorded studies: what is paired with what, and what does not matter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlp.evidence.findings import Evidence, weigh
from mlp.study.record import RecordedStudy
from tests.study.conftest import MakeRecorded

CHANGES = {
    "dropout": {"dropout": 0.5},
    "norm": {"batch_norm": True},
    "both": {"dropout": 0.5, "batch_norm": True},
}
ACCURACIES = {
    "plain": [0.60, 0.62, 0.58],
    "dropout": [0.70, 0.71, 0.69],
    "norm": [0.65, 0.68, 0.63],
    "both": [0.60, 0.61, 0.60],
}


def shuffled(study: RecordedStudy, seed: int) -> RecordedStudy:
    """The same study with arms, runs and images in another order."""
    rng = np.random.default_rng(seed)
    runs = [study.runs[k] for k in rng.permutation(len(study.runs))]
    arms = [study.arms[0], *(study.arms[k] for k in 1 + rng.permutation(len(study.arms) - 1))]
    return dataclasses.replace(study, runs=runs, arms=arms)


def compared(evidence: Evidence) -> dict[str, dict[str, object]]:
    return {c.name: dataclasses.asdict(c) for c in evidence.comparisons}


def test_the_order_of_arms_and_runs_changes_nothing(make_recorded: MakeRecorded) -> None:
    study = make_recorded(ACCURACIES, CHANGES)
    expected = compared(weigh(study, "accuracy"))
    other = shuffled(study, 1)
    # The baseline is the first arm and the seeds are those of the runs, wherever they stand
    found = compared(weigh(other, "accuracy"))
    for name, values in expected.items():
        numbers = {k: v for k, v in values.items() if isinstance(v, float)}
        assert {k: found[name][k] for k in numbers} == pytest.approx(numbers, nan_ok=True)
        assert found[name]["verdict"] == values["verdict"]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss", "roc_auc"])
def test_scores_are_the_recorded_ones(make_recorded: MakeRecorded, metric: str) -> None:
    evidence = weigh(make_recorded(ACCURACIES), metric)
    for arm in evidence.arms:
        assert arm.scores == pytest.approx(arm.per_run(f"final/{metric}"), abs=1e-6)


def test_failed_and_missing_runs_leave_their_pair_out(make_recorded: MakeRecorded) -> None:
    values = {"plain": [0.6, 0.62, None, 0.61], "norm": [0.7, None, 0.72, 0.71]}
    evidence = weigh(make_recorded(values), "accuracy")
    (norm,) = evidence.comparisons
    assert norm.pairs == 2
    assert norm.difference == pytest.approx(0.1, abs=0.01)
    assert {(run.arm, run.seed) for run in evidence.unfinished} == {("plain", 2), ("norm", 1)}


def test_images_in_common_count_and_drawn_ones_are_corrected_for(
    make_recorded: MakeRecorded,
) -> None:
    shared = weigh(make_recorded(ACCURACIES), "accuracy")
    assert shared.overlap is None
    folds = [f"{k}/4" for k in range(1, 5)]
    dealt = make_recorded({"plain": [0.6, 0.62], "norm": [0.7, 0.71]}, folds=folds)
    evidence = weigh(dealt, "accuracy")
    assert evidence.overlap == pytest.approx(0.25)
    (norm,) = evidence.comparisons
    assert norm.pairs == 8 and norm.precision is not None and shared.arms[1].comparison is not None
    assert norm.precision.common == pytest.approx(0.25 * norm.precision.variance)
    # The images that all seeds share are known better than a variance of eight pairs
    assert norm.precision.common_degrees is None
    there = shared.arms[1].comparison.precision
    assert there is not None and there.common_degrees == 119 and there.common > 0


@pytest.mark.parametrize("drawn", [False, True])
def test_seeds_that_are_added_narrow_every_interval(
    make_recorded: MakeRecorded, drawn: bool
) -> None:
    rng = np.random.default_rng(3)
    gains = {"plain": 0.0, "equal": 0.0, "some": 0.06, "much": 0.25, "less": -0.2}
    values = {name: 0.55 + gain + rng.normal(0, 0.02, 9) for name, gain in gains.items()}
    before = None
    for count in range(3, 10):
        study = make_recorded({n: list(v[:count]) for n, v in values.items()}, drawn=drawn)
        now = {c.name: c for c in weigh(study, "accuracy", 0.05).comparisons}
        for name, old in (before or {}).items():
            assert old.low <= now[name].low <= now[name].high <= old.high
            said, told = old.verdict.removeprefix("slightly "), now[name].verdict
            assert said == "undecided" or said in told or (said == "equal" and "slightly" in told)
        before = now
    assert before is not None and before["much"].improves and before["less"].verdict == "worse"


def test_a_factorial_is_found_and_its_effects_are_the_contrasts(
    make_recorded: MakeRecorded,
) -> None:
    evidence = weigh(make_recorded(ACCURACIES, CHANGES), "accuracy")
    (factorial,) = evidence.factorials
    assert (factorial.first, factorial.second, factorial.both) == ("dropout", "norm", "both")
    mean = {arm.name: arm.mean for arm in evidence.arms}
    plain, dropout, norm, both = (mean[name] for name in ACCURACIES)
    of_dropout, of_norm, interaction = factorial.effects
    assert of_dropout.difference == pytest.approx((dropout - plain + both - norm) / 2)
    assert of_norm.difference == pytest.approx((norm - plain + both - dropout) / 2)
    assert interaction.difference == pytest.approx(both - dropout - norm + plain)
    assert interaction.verdict == "undecided" and interaction.pairs == 3


def test_no_factorial_where_changes_touch_the_same_setting(make_recorded: MakeRecorded) -> None:
    changes = {"a": {"lr": 0.1}, "b": {"lr": 0.2}, "c": {"lr": 0.2, "dropout": 0.1}}
    evidence = weigh(
        make_recorded({n: [0.5, 0.6] for n in ("plain", *changes)}, changes), "accuracy"
    )
    assert not evidence.factorials


def test_ranking_knows_the_direction_of_the_metric(make_recorded: MakeRecorded) -> None:
    study = make_recorded(ACCURACIES)
    assert weigh(study, "accuracy").ranked()[0].name == "dropout"
    assert weigh(study, "log_loss").ranked()[0].name == "dropout"
    assert weigh(study, "log_loss").comparisons[0].difference < 0


def test_dynamics_are_paired_with_the_baseline(make_recorded: MakeRecorded) -> None:
    evidence = weigh(make_recorded(ACCURACIES), "accuracy")
    dropout = evidence.arms[1]
    speed = dropout.differences["epochs_to_target"]
    ours = dropout.of_dynamics("epochs_to_target")
    theirs = evidence.baseline.of_dynamics("epochs_to_target")
    assert speed.difference == pytest.approx((ours - theirs).mean())
    assert speed.difference < 0
