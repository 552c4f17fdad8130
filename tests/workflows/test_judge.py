"""The verdict for runs that exist: tables, computed by hand, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlp.errors import DataError, NoSuchRuns, SettingsError
from mlp.report.judgement import Judgement
from mlp.workflows.judge import judge
from tests.study.test_calibration import at_most_5_percent

ADAM, SGD = [0.80, 0.83, 0.81, 0.84], [0.86, 0.88, 0.88, 0.89]


def table(dataset: str = "", **arms: list[float]) -> pd.DataFrame:
    """A row for each score, pair by pair."""
    pairs = max(map(len, arms.values()))
    rows = [
        (arm, k, scores[k], dataset)
        for k in range(pairs)
        for arm, scores in arms.items()
        if k < len(scores)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "pair", "score", "dataset"])
    return frame if dataset else frame.drop(columns="dataset")


def kinds(judged: Judgement) -> set[str]:
    return {note.kind for note in judged.found.notes}


def row(judged: Judgement, arm: str) -> Any:
    return judged.table.loc[arm]


def by_hand(differences: list[float], variances: list[float], counts: list[int], arms: int) -> Any:
    """The intersection of the intervals of all looks, each with `counts` pairs."""
    lows, highs = [], []
    for difference, variance, n in zip(differences, variances, counts, strict=True):
        t = stats.t.isf(0.05 / arms * 0.2 * (3 / n) ** 0.75 / 2, n - 1)
        lows.append(difference - t * np.sqrt(variance))
        highs.append(difference + t * np.sqrt(variance))
    return max(lows), min(highs)


def of_pairs(d: np.ndarray, arms: int = 1) -> Any:
    looks = range(3, len(d) + 1)
    means, variances = [d[:n].mean() for n in looks], [d[:n].var(ddof=1) / n for n in looks]
    return by_hand(means, variances, list(looks), arms)


def test_paired_differences_are_judged_as_by_hand() -> None:
    frame = table(adam=ADAM, sgd=SGD, lion=[0.8, 0.83, 0.82, 0.85])
    judged = judge(frame, baseline="adam")
    assert list(judged.table.index) == ["adam", "sgd", "lion"]
    assert list(judged.table) == ["n", "mean", "difference", "low", "high", "verdict", "p_better"]
    sgd, d = row(judged, "sgd"), np.subtract(SGD, ADAM)
    assert (sgd["n"], sgd["mean"], sgd["p_better"]) == (4, pytest.approx(np.mean(SGD)), 1)
    assert sgd["difference"] == pytest.approx(d.mean())
    assert (sgd["low"], sgd["high"]) == pytest.approx(of_pairs(d, arms=2))
    assert row(judged, "adam")["verdict"] == "baseline"
    assert row(judged, "lion")["verdict"] == "equal" or row(judged, "lion")["low"] < -0.01


def test_runs_that_nothing_pairs_are_judged_as_by_hand() -> None:
    rows = [("a", 0.1), ("b", 0.5), ("a", 0.3), ("a", 0.2), ("b", 0.7), ("b", 0.9), ("b", 0.6)]
    frame = pd.DataFrame(rows, columns=["arm", "score"])
    judged = judge(frame, baseline="a")
    x, y = np.array([0.5, 0.7, 0.9, 0.6]), np.array([0.1, 0.3, 0.2])
    # Looks after the sixth row and the seventh
    means = [x[:3].mean() - y.mean(), x.mean() - y.mean()]
    variances = [x[:n].var(ddof=1) / n + y.var(ddof=1) / 3 for n in (3, 4)]
    found = row(judged, "b")
    assert found["difference"] == pytest.approx(means[1])
    assert (found["low"], found["high"]) == pytest.approx(by_hand(means, variances, [3, 3], 1))
    assert found["p_better"] == 1 and "unpaired" in kinds(judged)


def test_a_verdict_over_data_sets_is_that_of_their_mean_as_by_hand() -> None:
    one = table("one", adam=ADAM, sgd=SGD)
    two = table("two", adam=[0.3, 0.31, 0.33], sgd=[0.41, 0.39, 0.4])
    judged = judge(pd.concat([one, two]), baseline="adam")
    d1, d2 = np.subtract(SGD, ADAM), np.subtract([0.41, 0.39, 0.4], [0.3, 0.31, 0.33])
    found = row(judged, "sgd")
    assert found["difference"] == pytest.approx((d1[:3].mean() + d2.mean()) / 2)
    assert (found["low"], found["high"]) == pytest.approx(of_pairs((d1[:3] + d2) / 2))
    # Each with the level divided among both
    single = judged.datasets.loc[("one", "sgd")]
    assert (single["low"], single["high"]) == pytest.approx(of_pairs(d1, arms=2))
    assert single["n"] == 4 and judged.datasets.loc[("two", "sgd")]["n"] == 3
    assert "datasets" in kinds(judged)


@pytest.mark.parametrize("pair", ["", "none"])
def test_a_verdict_stays_when_rows_are_added(pair: str) -> None:
    rng = np.random.default_rng(0)
    frame = table(a=list(rng.normal(0.5, 0.02, 30)), b=list(rng.normal(0.53, 0.02, 30)))
    low, high, said = -1.0, 1.0, set()
    for rows in range(10, 61):
        found = row(judge(frame[:rows], baseline="a", pair=pair), "b")
        assert low <= found["low"] <= found["high"] <= high
        low, high = found["low"], found["high"]
        said.add(found["verdict"])
    assert said == {"undecided", "better"}


def test_arms_that_are_equal_are_seldom_ever_told_apart() -> None:
    """A small version of `python -m benchmarks.judge`: notices what is wrong in 8%."""
    rng, tables, wrong = np.random.default_rng(1), 400, 0
    for _ in range(tables):
        answers = rng.random((2, 20, 150)) < 0.8
        frame = table(a=list(answers[0].mean(axis=1)), b=list(answers[1].mean(axis=1)))
        found = row(judge(frame, baseline="a"), "b")
        wrong += found["low"] > 0 or found["high"] < 0  # at any look from 3 pairs to 20
    assert at_most_5_percent(wrong, tables)


def test_pairs_are_taken_by_their_numbers_and_names_as_they_come() -> None:
    frame = table(a=[0.1, 0.12, 0.5, 0.4], b=[0.2, 0.25, 0.51, 0.62])
    d = [0.1, 0.13, 0.01, 0.22]
    for numbers in (range(4), (9, 10, 99, 100)):
        turned = frame.assign(pair=np.repeat(list(numbers), 2)).iloc[::-1]
        assert judge(turned, baseline="a").found.differences["b"] == pytest.approx(d)
    turned = frame.assign(pair=["w", "w", "x", "x", "y", "y", "z", "z"]).iloc[::-1]
    assert judge(turned, baseline="a").found.differences["b"] == pytest.approx(d[::-1])


def test_scores_that_are_coarse_are_not_taken_for_certain() -> None:
    """Of 100 images, with two more right each time: the steps of the scores are points."""
    coarse = table(a=[0.80, 0.81, 0.82], b=[0.82, 0.83, 0.84])
    found = row(judge(coarse), "b")
    half = stats.t.isf(0.05 * 0.2 / 2, 2) * (0.01 / 2) / np.sqrt(3)
    assert (found["low"], found["high"]) == pytest.approx((0.02 - half, 0.02 + half))
    assert found["verdict"] == "undecided"
    still = judge(table(a=[0.8] * 3, b=[0.9, 0.91, 0.9]))
    assert "constant" in kinds(still) and "a" in "".join(still.notes)


def test_what_is_wrong_with_a_table_is_said() -> None:
    frame = table(a=ADAM, b=SGD, c=[0.8])
    frame = pd.concat([frame, frame[:1].assign(score=0.5)])  # again, and it counts
    frame.loc[len(frame)] = ["b", 7, np.inf]
    frame.loc[len(frame)] = [None, 0, 0.5]
    judged = judge(frame, baseline="a")
    assert kinds(judged) == {"no_arm", "not_finite", "duplicates", "missing", "no_answers"}
    assert row(judged, "a")["mean"] == pytest.approx(np.mean([0.5, *ADAM[1:]]))
    assert (row(judged, "c")["verdict"], row(judged, "c")["n"]) == ("undecided", 1)
    text = str(judged)
    assert "c (3)" in text and "At least 3 pairs are needed" in text
    assert all(note in judged.page for note in ("b (1)", "c (3)"))


def test_the_baseline_is_the_most_frequent_arm_unless_it_is_named() -> None:
    frame = table(a=[0.1], b=[0.1, 0.2], c=[0.1, 0.3])
    judged = judge(frame)
    assert judged.found.baseline == "b" and "baseline" in kinds(judged)
    with pytest.raises(SettingsError, match=r"no run of an arm 'd'.*there are a, b, c"):
        judge(frame, baseline="d")


def test_one_arm_has_nothing_to_be_compared_with() -> None:
    judged = judge(table(only=ADAM))
    assert "one_arm" in kinds(judged) and len(judged.table) == 1
    assert "nothing to compare" in str(judged) and "<h1>" in judged.page


def test_a_metric_whose_lower_is_better_turns_the_verdict_around() -> None:
    frame = table(a=[2.0, 2.1, 2.05, 2.1], b=[1.0, 1.1, 1.06, 1.12])
    loss = frame.rename(columns={"score": "val_loss"})
    judged = judge(loss, metric="val_loss", baseline="a")
    assert row(judged, "b")["verdict"] == "better" and row(judged, "b")["p_better"] == 1
    assert {"lower", "no_margin"} <= kinds(judged)
    assert row(judge(frame, baseline="a"), "b")["verdict"] == "worse"
    assert row(judge(frame, baseline="a", better="lower"), "b")["verdict"] == "better"


def test_the_margin_is_in_points_of_shares_and_else_in_the_unit_of_the_metric() -> None:
    frame = table(a=[0.800, 0.810, 0.805, 0.802], b=[0.801, 0.810, 0.806, 0.803])
    assert row(judge(frame, baseline="a"), "b")["verdict"] in ("equal", "slightly better")
    assert judge(frame, baseline="a", margin=2).found.rule.margin == 0.02
    wide = frame.assign(score=100 * frame["score"])
    assert judge(wide).found.rule.margin == 0
    assert judge(wide, margin=2).found.rule.margin == 2


def test_folds_with_validation_images_of_their_own_have_wider_intervals() -> None:
    frame = table(a=ADAM, b=SGD)
    found, d = row(judge(frame, baseline="a", overlap=0.25), "b"), np.subtract(SGD, ADAM)
    ends = []
    for n in (3, 4):  # s^2/n + s^2 q, each with the quantile of its part
        t = [stats.t.isf(0.05 * x / 2, n - 1) for x in (0.28 * (3 / n) ** 0.75, 0.8)]
        half = np.sqrt(d[:n].var(ddof=1) * (t[0] ** 2 / n + t[1] ** 2 * 0.25))
        ends.append((d[:n].mean() - half, d[:n].mean() + half))
    low, high = zip(*ends, strict=True)
    assert (found["low"], found["high"]) == pytest.approx((max(low), min(high)))


def test_a_csv_file_is_judged_as_the_table_is(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    frame = table(none=ADAM, NA=SGD)
    frame.rename(columns={"arm": "optimizer", "pair": "seed"}).to_csv(file, index=False)
    judged = judge(file, arm="optimizer", pair="seed", baseline="none")
    assert judged.table.equals(judge(frame, baseline="none").table)
    assert set(judged.files) == {"judge.html", "judge.md", "comparison.csv", "comparison.json"}
    with pytest.raises(SettingsError, match=r"no column 'optimiser'; did you mean optimizer"):
        judge(file, arm="optimiser")
    with pytest.raises(DataError, match="cannot be read"):
        judge(tmp_path / "none.csv")
    with pytest.raises(NoSuchRuns, match="no run has a score"):
        judge(frame.assign(score="high"))
    with pytest.raises(SettingsError, match="give an experiment, or a table: neither"):
        judge()


def test_names_of_strangers_are_shown_safely() -> None:
    judged = judge(table(**{"<b>a</b>": ADAM, "=b\x1b[31m": SGD}))
    assert "\x1b" not in str(judged) + judged.page + judged.description
    assert "<b>a" not in judged.page + judged._repr_html_()
    assert b"'=b" in judged.files["comparison.csv"]


def test_a_judgement_can_be_read_in_spanish() -> None:
    judged = judge(table(a=ADAM, b=SGD), lang="es")
    assert "parejas" in str(judged) and "veredicto" in judged.page
