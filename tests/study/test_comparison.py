"""The statistics, against other implementations, closed forms and simulation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.proportion import proportion_confint

from benchmarks.calibration import alone, covered, ever_shown, judged, plans
from benchmarks.populations import MadeUp, contrasts
from mlp.evidence.comparison import Comparison, Contrast, compare, intersection, verdict
from mlp.evidence.looks import (
    FIRST_LOOK,
    IMAGES_SHARE,
    SCORES_SHARE,
    SEEDS_SHARE,
    Precision,
)
from mlp.evidence.resampling import draws


def layout(seeds: int, images: int, gain: float = 0.0, seed: int = 0) -> np.ndarray:
    """Differences of being right: -1, 0 or 1 for each seed and image."""
    rng = np.random.default_rng(seed)
    common = rng.normal(gain, 0.4, images)
    own = rng.normal(0, 0.1, (seeds, 1))
    return np.clip(np.round(common + own + rng.normal(0, 0.4, (seeds, images))), -1, 1)


def contrast(d: np.ndarray, resamples: int = 2000) -> Contrast:
    """Differences of each seed, on the images (seeds, images) and on resamples of them."""
    weights = np.concatenate(list(draws(d.shape[1], resamples)))
    return d.mean(axis=1), d @ weights.T / d.shape[1]


def of_images(d: np.ndarray, resamples: int = 2000, **options: Any) -> Comparison:
    return compare({"arm": contrast(d, resamples)}, images=d.shape[1], **options)[0]


def exact(differences: list[float], **options: Any) -> Comparison:
    """Of what is not measured on images."""
    d = np.array(differences)
    (found,) = compare({"arm": (d, np.repeat(d[:, None], 2, axis=1))}, images=None, **options)
    return found


def seeds_quantile(n: int, arms: int = 1, share: float = SCORES_SHARE) -> float:
    level = 0.05 / arms * share * (3 / n) ** 0.75 * min(1, 20 / n)
    return float(stats.t.isf(level / 2, n - 1))


D = [0.01, 0.03, 0.02, 0.05, -0.01, 0.02]


def test_each_look_has_the_t_interval_of_its_level_and_all_of_them_count() -> None:
    lows, highs = [], []
    for n in range(FIRST_LOOK, len(D) + 1):
        seen = np.array(D[:n])
        half = seeds_quantile(n) * seen.std(ddof=1) / np.sqrt(n)
        lows.append(seen.mean() - half)
        highs.append(seen.mean() + half)
        found = exact(D[:n])
        assert (found.low, found.high) == pytest.approx((max(lows), min(highs)))


def test_for_several_arms_intervals_are_wider() -> None:
    d = np.array(D)
    arm = d, np.repeat(d[:, None], 2, axis=1)
    seven = compare({f"arm {k}": arm for k in range(7)}, images=None)
    half = seeds_quantile(6, 7) * d.std(ddof=1) / np.sqrt(6)
    assert seven[3].high == pytest.approx(d.mean() + half)
    assert seven[3].high - seven[3].low > exact(D).high - exact(D).low
    # Whatever the number that is given, and whatever is compared beside them
    assert compare({"arm": arm}, images=None, comparisons=7)[0].high == seven[3].high


@pytest.mark.parametrize("arms", [1, 7])
def test_equal_arms_are_seldom_told_apart_however_often_one_looks(arms: int) -> None:
    """By the spread of the seeds alone, after each of 3 to 400 pairs, in 4,000 studies."""
    counts = sum(alone(SCORES_SHARE, arms, 1000, seed) for seed in range(4))
    assert 0.03 < counts[-1] / 4000 < 0.055


def test_the_variance_is_that_of_a_two_way_layout() -> None:
    seeds, images = 5, 40
    d = layout(seeds, images, 0.2)
    long = pd.DataFrame(
        {
            "y": d.ravel(),
            "seed": np.repeat(np.arange(seeds), images),
            "image": np.tile(np.arange(images), seeds),
        }
    )
    table = anova_lm(ols("y ~ C(seed) + C(image)", long).fit())
    of_seed, of_image, residual = table["mean_sq"]
    precision = of_images(d, resamples=60_000).precision
    assert precision is not None
    of_seeds, of_images_ = float(precision.variance) / seeds, float(precision.common)
    assert of_seeds == pytest.approx(of_seed / (seeds * images), rel=0.03)
    assert of_images_ == pytest.approx(max(0, of_image - residual) / (seeds * images), rel=0.05)
    both = seeds_quantile(seeds, share=SEEDS_SHARE) ** 2 * of_seeds
    both += float(stats.t.isf(0.05 * IMAGES_SHARE / 2, images - 1)) ** 2 * of_images_
    assert precision.half_width(seeds) == pytest.approx(np.sqrt(both))


def test_more_seeds_do_not_shrink_the_part_of_the_images() -> None:
    precision = Precision(np.array(0.0), np.array(0.01**2), 99, 1)
    assert precision.half_width(3) == precision.half_width(1000) > 0.0196


def test_seeds_that_happen_to_agree_are_no_certainty() -> None:
    d = np.zeros((3, 180))
    for seed in range(3):
        d[seed, 60 * seed : 60 * seed + 20] = 1
        d[seed, 60 * seed + 20 : 60 * seed + 35] = -1
    found = of_images(d)
    assert found.difference == pytest.approx(5 / 180) and found.precision is not None
    assert len(set(d.mean(axis=1))) == 1
    images_alone = d.var(axis=1, ddof=1).mean() / 180
    assert float(found.precision.variance) == pytest.approx(0.25 * images_alone, rel=0.1)
    assert not found.shown


def test_arms_that_no_image_tells_apart_are_known_to_one_image() -> None:
    for images, said in ((100, "undecided"), (1000, "equal")):
        found = of_images(np.zeros((4, images)))
        quantile = stats.t.isf(0.05 * IMAGES_SHARE / 2, images - 1)
        assert found.high == -found.low == pytest.approx(quantile / images)
        assert found.verdict == said


def test_overlapping_trainings_get_nadeau_and_bengios_correction() -> None:
    d = np.array(D[:3])
    found = exact(D[:3], overlap=0.25)
    seeds = seeds_quantile(3, share=SEEDS_SHARE)
    both = seeds**2 / 3 + stats.t.isf(0.05 * IMAGES_SHARE / 2, 2) ** 2 * 0.25
    assert found.high - d.mean() == pytest.approx(np.sqrt(both) * d.std(ddof=1))
    assert exact(D, overlap=0.25).high > exact(D).high


@pytest.mark.parametrize(
    ("low", "high", "margin", "higher", "said"),
    [
        (0.02, 0.05, 0.01, True, "better"),
        (0.02, 0.05, 0.01, False, "worse"),
        (-0.05, -0.001, 0.01, True, "worse"),
        (-0.009, 0.009, 0.01, True, "equal"),
        (0.001, 0.009, 0.01, True, "slightly better"),
        (0.001, 0.009, 0.01, False, "slightly worse"),
        (-0.009, -0.001, 0.01, True, "slightly worse"),
        (-0.02, 0.009, 0.01, True, "undecided"),
        (-0.001, 0.001, 0.0, True, "undecided"),
        (0.0, 0.02, 0.01, True, "undecided"),
        (0.0, 0.0, 0.01, True, "equal"),
        (0.0, 0.0, 0.0, True, "undecided"),
        (float("nan"), float("nan"), 0.01, True, "undecided"),
    ],
)
def test_the_verdict_is_where_the_interval_lies(
    low: float, high: float, margin: float, higher: bool, said: str
) -> None:
    assert verdict(low, high, margin, higher) == said


def test_looks_only_ever_narrow_an_interval() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        made = list(rng.normal(0.01, 0.02, 12))
        former = exact(made[:3])
        for n in range(4, 13):
            found = exact(made[:n])
            assert former.low <= found.low <= found.high <= former.high
            if former.verdict in ("better", "worse"):
                assert found.verdict.endswith(former.verdict)
            former = found


def test_a_look_that_contradicts_those_before_it_changes_nothing() -> None:
    lows, highs = np.array([-1.0, 0.0, 2.0, 0.2]), np.array([3.0, 1.0, 4.0, 0.5])
    assert intersection(lows, highs) == (0.0, 1.0)
    assert intersection(lows[:2], highs[:2]) == (0.0, 1.0)


def test_pairs_without_a_number_are_left_out() -> None:
    made = exact([0.01, float("nan"), 0.03, 0.02])
    assert made == exact([0.01, 0.03, 0.02]) and made.pairs == 3


def test_below_three_pairs_nothing_is_said() -> None:
    for few in ([], [0.1], [0.1, 0.1]):
        found = exact(few)
        assert found.pairs == len(few) and found.verdict == "undecided"
        assert np.isnan(found.low) and np.isnan(found.high) and found.needed is None


def test_resamples_in_which_a_score_is_undefined_are_left_out() -> None:
    differences, replicates = contrast(layout(4, 30), 400)
    spoilt = np.insert(replicates, 7, np.nan, axis=1)
    one, other = (
        compare({"arm": (differences, each)}, images=30)[0] for each in (replicates, spoilt)
    )
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_scores_that_hardly_a_resample_has_are_judged_by_seeds_alone() -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05])
    gaps = np.where(np.eye(4, 40, dtype=bool), 0.0, np.nan)
    (found,) = compare({"arm": (d, gaps)}, images=30, overlap=0.25)
    assert (found.low, found.high) == pytest.approx(
        (exact(list(d), overlap=0.25).low, exact(list(d), overlap=0.25).high)
    )


@pytest.mark.parametrize("higher", [True, False])
def test_the_chance_to_be_better_has_wilsons_interval(higher: bool) -> None:
    found = exact([0.1, 0.2, -0.1, 0.3, 0.2], higher_is_better=higher)
    wins = 4 if higher else 1
    assert found.p_better == wins / 5
    ends = found.p_better_low, found.p_better_high
    assert ends == pytest.approx(proportion_confint(wins, 5, method="wilson"))
    assert exact([0.1, 0.0, -0.1]).p_better == 0.5


def test_the_pairs_needed_bring_the_interval_within_the_margin() -> None:
    found = exact(D, margin=0.005)
    assert found.precision is not None and found.needed is not None
    assert found.precision.half_width(found.needed) <= 0.005
    assert found.precision.half_width(found.needed - 1) > 0.005
    assert exact(D, margin=0.0).needed == exact(D, margin=0.01).needed
    # With images of their own, trainings are too much alike
    assert exact(D, margin=0.005, overlap=0.25).needed is None


@pytest.mark.parametrize(("difference", "margin"), [(0.0, 0.02), (0.02, 0.01), (0.005, 0.01)])
def test_the_chance_of_a_verdict_is_that_of_its_predictive_distribution(
    difference: float, margin: float
) -> None:
    seen, later, spread = 6, 20, 0.02
    precision = Precision(np.array(spread**2), np.array(0.003**2), 999, 3)
    rng = np.random.default_rng(0)
    variance = spread**2 * (seen - 1) / rng.chisquare(seen - 1, 20_000)
    half = replace(precision, variance=variance).half_width(later)
    then = rng.normal(difference, np.sqrt(variance * (1 / seen - 1 / later)))
    low, high = then - half, then + half
    decided = (low > 0) | (high < 0) | ((low > -margin) & (high < margin))
    chance = precision.chance(difference, margin, seen, later)
    assert chance == pytest.approx(decided.mean(), abs=0.03)


def test_an_arm_with_a_verdict_needs_no_luck_and_one_that_cannot_change_has_none() -> None:
    assert exact([0.5, 0.51, 0.49, 0.5]).chance(20) == 1.0
    assert exact(D).chance(len(D)) == 0.0
    assert of_images(np.zeros((4, 100))).chance(1000) == 0.0


# The full simulation is in benchmarks/; here a rate of 8% or more would be noticed
STUDIES = 400


@pytest.mark.parametrize("disagreement", [0.0, 1.0])
def test_equal_arms_are_ever_told_apart_in_at_most_5_percent_of_studies(
    disagreement: float,
) -> None:
    population = MadeUp(0.3, disagreement)
    for shown in ever_shown(population, 181, (1, 7), STUDIES, 0):
        assert stats.binomtest(int(shown), STUDIES, 0.05, "greater").pvalue > 0.01


def test_one_look_at_the_end_tells_what_looks_at_every_seed_have_told() -> None:
    population, rng = MadeUp(0.3, 0.5), np.random.default_rng(0)
    for _ in range(60):
        made = contrasts(population.draw(rng, (0.03,), 12, 300))
        looks = [judged(population, made, 300, n, 1)[0].shown for n in range(3, 13)]
        assert any(looks) == looks[-1]


def test_intervals_hold_and_arms_two_margins_apart_are_not_called_equal() -> None:
    counts = covered(MadeUp(0.1, 0.3), 1000, 7, 150, 0)
    assert counts[0] <= 15
    for held in counts[1:]:
        assert stats.binomtest(int(held), 150, 0.95, "less").pvalue > 0.01


def test_going_on_with_what_is_undecided_costs_less_than_ten_seeds_for_all() -> None:
    sums = plans(MadeUp(0.05, 1.0), 1000, 12, 0) / 12
    (fixed, trainings), *auto = sums
    enough = [cost for found, cost in auto if found >= fixed]
    assert trainings == 80 and enough and min(enough) < 0.9 * trainings
