"""Which model of a study is registered: what was shown to be better, never the luckiest seed."""

from __future__ import annotations

import numpy as np
import pytest

from mlp.errors import NoSuchStudy
from mlp.evidence.findings import weigh
from mlp.serving.choice import Choice, Pick, choose
from mlp.study.record import RecordedStudy
from tests.study.conftest import MakeRecorded


def chosen(study: RecordedStudy, pick: Pick = "median", metric: str = "accuracy") -> Choice:
    return choose(weigh(study, metric), pick)


def accuracy(choice: Choice) -> float:
    (run,) = choice.runs
    return run.metrics["final/accuracy"]


def test_what_is_shown_to_be_better_wins_and_not_the_luckiest_seed(
    make_recorded: MakeRecorded,
) -> None:
    better = [0.85, 0.86, 0.84, 0.85, 0.86]
    lucky = [0.5, 0.99, 0.99, 0.99, 0.99]
    study = make_recorded({"base": [0.6, 0.61, 0.6, 0.59, 0.6], "a": better, "lucky": lucky})
    choice = chosen(study)
    assert (choice.arm.name, choice.why) == ("a", "proven")
    assert accuracy(choice) == pytest.approx(0.85, abs=0.005)


def test_without_proof_it_is_the_baseline(make_recorded: MakeRecorded) -> None:
    choice = chosen(make_recorded({"base": [0.7, 0.72, 0.71], "lucky": [0.6, 0.95, 0.7]}))
    assert (choice.arm.name, choice.why) == ("base", "baseline")
    assert chosen(make_recorded({"a": [0.7]})).why == "only"


def test_without_a_baseline_it_is_the_best_mean(make_recorded: MakeRecorded) -> None:
    choice = chosen(make_recorded({"base": [None, None], "a": [0.6, 0.6], "b": [0.7, 0.7]}))
    assert (choice.arm.name, choice.why) == ("b", "mean")


def test_of_an_even_number_the_lower_of_the_middle_two_is_taken(
    make_recorded: MakeRecorded,
) -> None:
    choice = chosen(make_recorded({"a": [0.9, 0.6, 0.8, 0.7]}))
    assert accuracy(choice) == pytest.approx(0.7, abs=0.005) and choice.runs[0].seed == 3


def test_where_less_is_better_the_larger_of_the_middle_two_is_taken(
    make_recorded: MakeRecorded,
) -> None:
    study = make_recorded({"a": [0.9, 0.6, 0.8, 0.7], "worse": [0.4, 0.4, 0.4, 0.4]})
    choice = chosen(study, metric="log_loss")
    losses = sorted(run.metrics["final/log_loss"] for run in study.of("a").values())
    assert choice.arm.name == "a"
    assert choice.runs[0].metrics["final/log_loss"] == losses[2]


def test_equal_scores_are_taken_in_the_order_of_the_seeds(make_recorded: MakeRecorded) -> None:
    assert chosen(make_recorded({"a": [0.7, 0.7, 0.7]})).runs[0].seed == 1


def test_an_ensemble_is_all_runs_of_the_arm(make_recorded: MakeRecorded) -> None:
    study = make_recorded({"a": [0.7, 0.72, 0.71], "b": [0.5, 0.5, 0.5]})
    choice = chosen(study, "ensemble")
    assert [run.seed for run in choice.runs] == [0, 1, 2]
    known = choice.held_out
    assert known is not None and len(known.ids) == 120
    shares = [run.evaluation.probabilities for run in choice.runs if run.evaluation is not None]
    np.testing.assert_allclose(known.probabilities, np.mean(shares, axis=0))


def test_an_arm_with_a_failed_run_is_passed_over_unless_all_have_one(
    make_recorded: MakeRecorded,
) -> None:
    base, better = [0.6] * 5, [0.85, 0.86, 0.84, 0.85, 0.86]
    study = make_recorded({"base": base, "a": better, "frail": [0.95] * 5 + [None]})
    choice = chosen(study)
    assert choice.arm.name == "a" and choice.passed_over == ("frail",)
    choice = chosen(make_recorded({"base": [*base, None], "frail": [*better, None]}))
    assert choice.arm.name == "frail" and choice.passed_over == ()


def test_only_images_that_validated_all_runs_score_an_ensemble(make_recorded: MakeRecorded) -> None:
    study = make_recorded({"a": [0.7, 0.72]}, drawn=True)  # no two runs share an image
    assert chosen(study, "ensemble").held_out is None
    known = chosen(study).held_out
    assert known is not None and len(known.ids) == 120


def test_a_study_without_a_finished_run_has_nothing_to_choose(make_recorded: MakeRecorded) -> None:
    with pytest.raises(NoSuchStudy, match="no finished run"):
        chosen(make_recorded({"a": [None], "b": [None]}))
