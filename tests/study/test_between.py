"""Two studies: paired where they can be, not paired where they cannot."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlp.errors import NoSuchStudy
from mlp.evidence.two_studies import between
from mlp.report.two_studies import markdown, sentences, table
from mlp.report.wording import Wording
from mlp.study.record import RecordedRun, RecordedStudy
from tests.study.conftest import MakeRecorded

SAY = Wording("en", "accuracy")
FIRST = {"plain": [0.60, 0.61, 0.60, 0.59], "norm": [0.70, 0.72, 0.71, 0.69]}
SECOND = {"norm": [0.80, 0.82, 0.81, 0.79], "plain": [0.60, 0.61, 0.60, 0.59], "new": [0.5] * 4}


def test_studies_on_the_same_images_are_paired_by_seed(make_recorded: MakeRecorded) -> None:
    result = between(make_recorded(FIRST), make_recorded(SECOND), "accuracy")
    assert result.paired
    plain, norm = result.comparisons
    assert (plain.name, norm.name) == ("plain", "norm")
    assert norm.pairs == 4 and norm.difference == pytest.approx(0.1, abs=0.005)
    assert (plain.verdict, norm.verdict) == ("undecided", "better")
    assert result.means["norm"] == pytest.approx((0.705, 0.805), abs=0.005)
    shown = table(result, SAY)
    assert [row[0] for row in shown.rows] == ["plain", "norm"]
    assert all(len(row) == len(shown.headings) for row in shown.rows)


def test_the_order_of_the_studies_turns_every_verdict_around(make_recorded: MakeRecorded) -> None:
    first, second = make_recorded(FIRST), make_recorded(SECOND)
    for there, back in zip(
        between(first, second, "accuracy").comparisons,
        sorted(between(second, first, "accuracy").comparisons, key=lambda c: c.name != "plain"),
        strict=True,
    ):
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
        assert {there.verdict, back.verdict} in ({"undecided"}, {"better", "worse"})


def of_seeds(study: RecordedStudy, first: int, images: str = "") -> RecordedStudy:
    """The study under later seeds, and with images of other names."""

    def moved(run: RecordedRun) -> RecordedRun:
        assert run.evaluation is not None
        ids = np.array([images + name for name in run.evaluation.ids])
        evaluation = dataclasses.replace(run.evaluation, ids=ids)
        return dataclasses.replace(run, seed=run.seed + first, evaluation=evaluation)

    return dataclasses.replace(study, runs=[moved(run) for run in study.runs])


def test_studies_that_share_no_seed_are_compared_run_by_run(make_recorded: MakeRecorded) -> None:
    first, second = make_recorded(FIRST), make_recorded(SECOND)
    paired = between(first, second, "accuracy")
    shown = {"alike": of_seeds(second, 10), "others": of_seeds(second, 10, "other ")}
    widths = {}
    for name, study in shown.items():
        result = between(first, study, "accuracy")
        assert not result.paired and result.means == paired.means
        assert any("Not paired" in line for line in sentences(result, SAY))
        for one, other in zip(result.comparisons, paired.comparisons, strict=True):
            assert (one.pairs, one.difference) == (other.pairs, pytest.approx(other.difference))
        widths[name] = result.comparisons[1].high - result.comparisons[1].low
    # The same images are easy and hard for both studies, and others are not
    assert widths["others"] > 1.2 * widths["alike"]


def test_images_vary_a_difference_of_studies_as_they_vary_both(make_recorded: MakeRecorded) -> None:
    first, second = make_recorded(FIRST), of_seeds(make_recorded(SECOND), 10, "other ")
    norm = between(first, second, "accuracy").comparisons[1]
    expected = 0.0
    for study in (first, second):
        results = [run.evaluation for run in study.of("norm").values()]
        right = np.array([r.predicted == r.labels for r in results if r is not None])
        # Each image under all seeds, less what it varies from seed to seed
        common = right.mean(axis=0).var() - right.var(axis=0, ddof=1).mean() / len(right)
        expected += common / right.shape[1]
    assert norm.precision is not None
    assert norm.precision.common == pytest.approx(expected, rel=0.15)


def test_a_study_of_which_each_run_has_images_of_its_own_is_no_surer(
    make_recorded: MakeRecorded,
) -> None:
    first, drawn = make_recorded(FIRST), make_recorded(SECOND, drawn=True)
    both = [between(*studies, "accuracy") for studies in ((first, drawn), (drawn, first))]
    for result in both:
        assert not result.paired
        for c in result.comparisons:
            assert c.precision is not None
            # Its trainings overlap by a quarter, and the images of the other study are as many
            assert c.precision.common == pytest.approx(1.25 * c.precision.variance)
    one = between(make_recorded(FIRST, drawn=True), drawn, "accuracy").comparisons[1]
    assert one.precision is not None
    assert one.precision.common == pytest.approx(0.25 * one.precision.variance)


def test_runs_that_failed_leave_their_place_to_the_next(make_recorded: MakeRecorded) -> None:
    values = {"norm": [0.80, None, 0.82, 0.81, 0.79]}
    second = make_recorded(values)
    runs = [dataclasses.replace(run, seed=run.seed + 10) for run in second.runs]
    other = dataclasses.replace(second, runs=runs)
    (norm,) = between(make_recorded(FIRST), other, "accuracy").comparisons
    assert norm.pairs == 4 and norm.difference == pytest.approx(0.1, abs=0.005)


def test_settings_that_differ_are_named(make_recorded: MakeRecorded) -> None:
    second: RecordedStudy = dataclasses.replace(make_recorded(SECOND), base={"lr": "0.01"})
    result = between(make_recorded(FIRST), second, "accuracy")
    assert "Settings that differ: lr 0.001 → 0.01." in sentences(result, SAY)
    text = markdown(result, SAY, lambda study: f"#/{study.run_id}")
    assert "[a study](#/parent)" in text and "lr 0.001 → 0.01" in text


def test_studies_without_a_common_arm_cannot_be_compared(make_recorded: MakeRecorded) -> None:
    with pytest.raises(NoSuchStudy, match="no arm in common: plain, norm and other"):
        between(make_recorded(FIRST), make_recorded({"other": [0.5, 0.5]}), "accuracy")
