"""Two studies: paired where they can be, not paired where they cannot."""

from __future__ import annotations

import dataclasses

import pytest
from scipy import stats

from mlp.errors import NoSuchStudy
from mlp.report.two_studies import between, markdown, sentences, table
from mlp.report.wording import Wording
from mlp.study.record import RecordedStudy
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
    assert (plain.verdict, norm.verdict) == ("no difference shown", "better")
    assert result.means["norm"] == pytest.approx((0.705, 0.805), abs=0.005)
    shown = table(result, SAY)
    assert [row[0] for row in shown.rows] == ["plain", "norm"]
    assert all(len(row) == len(shown.headings) for row in shown.rows)


def test_studies_on_other_images_are_not_paired(make_recorded: MakeRecorded) -> None:
    first, second = make_recorded(FIRST), make_recorded(SECOND, drawn=True)
    result = between(first, second, "accuracy")
    assert not result.paired
    scores = [
        [run.metrics["final/accuracy"] for run in study.of("norm").values()]
        for study in (second, first)
    ]
    expected = stats.ttest_ind(*scores, equal_var=False).pvalue
    assert result.comparisons[1].p == pytest.approx(expected, rel=1e-4)
    assert any("Not paired" in line for line in sentences(result, SAY))


def test_settings_that_differ_are_named(make_recorded: MakeRecorded) -> None:
    second: RecordedStudy = dataclasses.replace(make_recorded(SECOND), base={"lr": "0.01"})
    result = between(make_recorded(FIRST), second, "accuracy")
    assert "Settings that differ: lr 0.001 → 0.01." in sentences(result, SAY)
    text = markdown(result, SAY, lambda study: f"#/{study.run_id}")
    assert "[a study](#/parent)" in text and "lr 0.001 → 0.01" in text


def test_studies_without_a_common_arm_cannot_be_compared(make_recorded: MakeRecorded) -> None:
    with pytest.raises(NoSuchStudy, match="no arm in common: plain, norm and other"):
        between(make_recorded(FIRST), make_recorded({"other": [0.5, 0.5]}), "accuracy")
