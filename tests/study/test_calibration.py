"""The promise of the verdicts, by simulation: small versions of `python -m benchmarks.calibration`.

The bounds let pass what is wrong in 5% of studies, and notice 8%.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.calibration import (
    MIX,
    MOST_SEEDS,
    at_equal_power,
    auto,
    covered,
    ever_shown,
    fixed,
)
from benchmarks.populations import MadeUp, OwnSplits, Trained, contrasts, made_up, shifted
from mlp.evidence.comparison import compare
from mlp.evidence.resampling import draws

SEEDS_DIFFER = MadeUp(0.3, 0.0)


def at_most_5_percent(count: float, studies: int) -> bool:
    return bool(stats.binomtest(int(count), studies, 0.05, "greater").pvalue > 0.01)


@pytest.mark.parametrize("shared", [True, False])
def test_contrasts_have_the_variances_of_a_bootstrap(shared: bool) -> None:
    right = MadeUp(0.2, 0.5).draw(np.random.default_rng(0), (0.0,), 5, 60)
    differences, replicates = contrasts(right, shared)["arm 1"]
    each = right[1].astype(float) - right[0]
    seeds = [0] * 5 if shared else range(5)
    drawn = np.stack(
        [
            np.concatenate(list(draws(60, 20_000, seed))) @ row / 60
            for seed, row in zip(seeds, each, strict=True)
        ]
    )
    assert differences == pytest.approx(each.mean(axis=1))
    assert replicates.mean(axis=1) == pytest.approx(differences)
    expected = np.cov(drawn)
    assert np.cov(replicates) == pytest.approx(expected, abs=0.03 * expected.max())


def test_gains_are_what_they_say() -> None:
    rng = np.random.default_rng(1)
    for level in (0.5, 0.97):  # where there is room to be better, and where there is none
        right = shifted(rng.random((3, 20, 20_000)) < level, (0.0, 0.1, 0.02), rng)
        means = right.mean(axis=(1, 2))
        assert means[1:] - means[0] == pytest.approx([0.1, 0.02], abs=0.003)


@pytest.mark.parametrize(
    ("arms", "images", "studies"),
    [(1, 100, 800), pytest.param(7, 181, 2000, marks=pytest.mark.slow)],
)
def test_equal_arms_are_ever_told_apart_in_at_most_5_percent(
    arms: int, images: int, studies: int
) -> None:
    assert at_most_5_percent(ever_shown(SEEDS_DIFFER, images, (arms,), studies, 0)[0], studies)


@pytest.mark.slow
@pytest.mark.parametrize("name", made_up())
def test_no_population_breaks_the_promise(name: str) -> None:
    studies, population = 1000, made_up()[name]
    for count in ever_shown(population, 181, (1, 7), studies, 1):
        assert at_most_5_percent(count, studies)
    wrong, *held = covered(population, 181, 7, studies, 1)
    assert at_most_5_percent(wrong, studies)
    assert all(at_most_5_percent(studies - count, studies) for count in held)


def test_equal_arms_of_trained_runs_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(3)
    ability, difficulty = rng.normal(0, 0.3, (64, 8, 1)), rng.normal(1, 1, (64, 1, 100))
    right = rng.random((64, 8, 100)) < 1 / (1 + np.exp(-ability - difficulty))
    for population, images in ((OwnSplits(right, 0.25), 100), (Trained(right[:, 0]), 181)):
        count = ever_shown(population, images, (1,), 300, 0)[0]
        assert at_most_5_percent(count, 300)


def test_unequal_arms_are_told_apart_and_seldom_called_equal() -> None:
    wrong, *held = covered(MadeUp(0.05, 0.1), 1000, 7, 30, 0)
    assert wrong <= 3
    assert min(held) >= 25
    made = contrasts(MadeUp(0.05, 0.1).draw(np.random.default_rng(4), MIX, MOST_SEEDS[-1], 1000))
    verdicts, trainings = zip(*auto(MadeUp(0.05, 0.1), made, 1000), strict=True)
    assert list(verdicts[-1][-2:]) == [1, 1]
    assert all(8 * 3 <= cost <= 8 * most for cost, most in zip(trainings, MOST_SEEDS, strict=True))
    assert trainings[-1] < 8 * MOST_SEEDS[-1]


def test_the_former_rule_is_students_t_test_with_holms_correction() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        d = rng.normal(0, 0.01, (7, 5)) + np.array([0, 0, 0, 0.02, -0.02, 0.05, 0.1])[:, None]
        made = [(row, np.repeat(row[:, None], 2, axis=1)) for row in d]
        said = fixed(made, 5, 1000, None)
        holm = multipletests(stats.ttest_1samp(d, 0, axis=1).pvalue, method="holm")[1]
        assert list(said) == list(np.where(holm <= 0.05, np.sign(d.mean(axis=1)), 0))
    # From six pairs on, all flips of signs are counted, too: 2 of 64 are as far as these
    row = np.array([0.05, 0.06, 0.055, 0.06, 0.05, -0.012])
    assert stats.ttest_1samp(row, 0).pvalue < 0.05
    for changed, said in ((row, 0), (np.abs(row), 1)):
        contrast = (changed, np.repeat(changed[:, None], 2, axis=1))
        assert fixed([contrast], 6, 1000, None)[0] == said


def test_the_ratio_is_read_where_both_plans_find_as_much() -> None:
    sums = np.array([[20.0, 800.0], [10.0, 300.0], [30.0, 500.0]])  # of ten studies
    assert at_equal_power(sums, 10) == pytest.approx((2.0, 40.0, 0.5))
    assert np.isnan(at_equal_power(sums[:2], 10)[2])


def test_made_up_resamples_are_judged_as_drawn_ones_are() -> None:
    right = MadeUp(0.1, 0.5).draw(np.random.default_rng(6), (0.05,), 6, 80)
    each = right[1].astype(float) - right[0]
    weights = np.concatenate(list(draws(80, 20_000)))
    drawn = compare({"arm 1": (each.mean(axis=1), each @ weights.T / 80)}, images=80)[0]
    made = compare(contrasts(right), images=80)[0]
    assert (made.low, made.high) == pytest.approx((drawn.low, drawn.high), rel=0.03)
