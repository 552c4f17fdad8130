"""Intervals and verdicts: closed forms, other implementations, invariants and simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.proportion import proportion_confint

from mlp.evidence.comparison import Comparison, Contrast, compare, intersection, verdict
from mlp.evidence.looks import FIRST_LOOK, IMAGES_SHARE, LEVEL, SEEDS_SHARE, Precision
from mlp.evidence.resampling import draws


def layout(seeds: int, images: int, gain: float = 0.0, seed: int = 0) -> np.ndarray:
    """Differences of being right: -1, 0 or 1 for each seed and image."""
    rng = np.random.default_rng(seed)
    common = rng.normal(gain, 0.4, images)
    own = rng.normal(0, 0.1, (seeds, 1))
    return np.clip(np.round(common + own + rng.normal(0, 0.4, (seeds, images))), -1, 1)


def evidence(d: np.ndarray, resamples: int = 2000) -> Comparison:
    weights = np.concatenate(list(draws(d.shape[1], resamples)))
    replicates = d @ weights.T / d.shape[1]
    return compare({"arm": (d.mean(axis=1), replicates)}, images=d.shape[1])[0]


def seeds_alone(differences: Sequence[float]) -> Contrast:
    """A contrast to which images add nothing."""
    d = np.array(differences, float)
    return d, np.repeat(d[:, None], 2, axis=1)


def exact(differences: Sequence[float], **options: object) -> Comparison:
    return compare({"arm": seeds_alone(differences)}, images=None, **options)[0]


def assert_same(one: Comparison, other: Comparison) -> None:
    ours, theirs = asdict(one), asdict(other)
    assert ours.pop("precision") == pytest.approx(theirs.pop("precision"))
    assert ours == pytest.approx(theirs, nan_ok=True)


@pytest.mark.parametrize("arms", [1, 7])
def test_the_interval_is_what_students_intervals_of_all_looks_have_in_common(arms: int) -> None:
    d = np.random.default_rng(arms).normal(0.01, 0.02, 12)
    found = exact(d, comparisons=arms)
    low, high = -np.inf, np.inf
    for n in range(FIRST_LOOK, 13):
        level = LEVEL / arms * SEEDS_SHARE * arms ** (-1 / 8) * (3 / n) ** 0.75
        look = stats.ttest_1samp(d[:n], 0).confidence_interval(1 - level)
        low, high = max(low, look.low), min(high, look.high)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.difference == pytest.approx(d.mean())
    assert found.spread == pytest.approx(d.std(ddof=1))


def test_overlapping_trainings_get_nadeau_and_bengios_correction() -> None:
    d = np.array([0.01, 0.03, 0.02])
    found = exact(d, overlap=0.25)
    seeds = stats.t.isf(LEVEL * SEEDS_SHARE / 2, 2)
    common = stats.t.isf(LEVEL * IMAGES_SHARE / 2, 2)
    half = d.std(ddof=1) * np.sqrt(seeds**2 / 3 + common**2 * 0.25)
    assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half))
    assert found.high > exact(d).high


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
    found = evidence(d, resamples=60_000).precision
    assert found is not None
    assert found.variance == pytest.approx(of_seed / images)
    assert found.common == pytest.approx((of_image - residual) / (seeds * images), rel=0.05)
    # The images count: seeds alone would give a narrower interval
    assert found.common > 0.4 * found.variance / seeds
    alone = Precision(found.variance, np.array(0.0), None, 1)
    assert found.half_width(seeds) > alone.half_width(seeds)


def test_seeds_that_happen_to_agree_are_no_certainty() -> None:
    d = np.zeros((3, 180))
    for seed in range(3):
        d[seed, 60 * seed : 60 * seed + 20] = 1
        d[seed, 60 * seed + 20 : 60 * seed + 35] = -1
    found = evidence(d)
    assert found.difference == pytest.approx(5 / 180)
    assert len(set(d.mean(axis=1))) == 1
    images_alone = d.var(axis=1, ddof=1).mean() / 180
    assert found.precision is not None
    assert found.precision.variance == pytest.approx(0.25 * images_alone, rel=0.1)
    assert found.verdict == "undecided"


@pytest.mark.parametrize(("images", "said"), [(50, "undecided"), (1000, "equal")])
def test_that_no_image_tells_arms_apart_is_as_sure_as_there_are_images(
    images: int, said: str
) -> None:
    found = evidence(np.zeros((3, images)))
    half = stats.t.isf(LEVEL * IMAGES_SHARE / 2, images - 1) / images
    assert (found.low, found.high) == pytest.approx((-half, half))
    assert found.verdict == said


def test_intervals_shrink_and_verdicts_stay_when_pairs_are_added() -> None:
    rng = np.random.default_rng(0)
    verdicts = set()
    for gain in (0.0, 0.0, 0.004, 0.01, 0.05, -0.05) * 3:
        d, replicates = seeds_alone(rng.normal(gain, 0.006, 20))
        before = None
        for n in range(FIRST_LOOK, 21):
            now = compare({"arm": (d[:n], replicates[:n])}, images=None)[0]
            if before is not None:
                assert before.low <= now.low <= now.high <= before.high
                assert before.verdict in ("undecided", "equal", now.verdict) or (
                    now.verdict == f"slightly {before.verdict}"
                )
                assert before.verdict != "equal" or now.verdict in (
                    "equal", "slightly better", "slightly worse",
                )  # fmt: skip
            before = now
        verdicts.add(now.verdict)
    assert verdicts >= {"better", "worse", "equal"}


def test_a_look_that_contradicts_those_before_it_is_left_out() -> None:
    assert intersection(np.array([0.0, 2.0, 5.0]), np.array([3.0, 4.0, 6.0])) == (2.0, 3.0)
    assert intersection(np.array([0.0, 4.0, 1.0]), np.array([3.0, 5.0, 2.0])) == (0.0, 3.0)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.02, 0.04, "better"),
        (-0.04, -0.02, "worse"),
        (0.005, 0.04, "better"),
        (0.002, 0.008, "slightly better"),
        (-0.008, -0.002, "slightly worse"),
        (-0.008, 0.002, "equal"),
        (0.0, 0.0, "equal"),
        (-0.01, 0.002, "undecided"),
        (-0.02, 0.03, "undecided"),
        (float("nan"), float("nan"), "undecided"),
    ],
)
def test_the_verdict_is_where_the_interval_lies(low: float, high: float, said: str) -> None:
    assert verdict(low, high, 0.01) == said
    other = {"better": "worse", "worse": "better"}
    mirrored = " ".join(other.get(word, word) for word in said.split())
    assert verdict(low, high, 0.01, higher_is_better=False) == mirrored
    assert verdict(-high, -low, 0.01) == mirrored
    without = said.removeprefix("slightly ").replace("equal", "undecided")
    assert verdict(low, high, 0.0) == without


def test_intervals_do_not_depend_on_the_order_of_arms_and_hold_for_all_together() -> None:
    rng = np.random.default_rng(1)
    arms = {name: seeds_alone(rng.normal(0.01, 0.02, 6)) for name in "abc"}
    made = {c.name: c for c in compare(arms, images=None)}
    for c in compare(dict(reversed(arms.items())), images=None):
        assert_same(c, made[c.name])
    for name, contrast in arms.items():
        alone = compare({name: contrast}, images=None)[0]
        assert made[name].low < alone.low < alone.high < made[name].high
        assert_same(compare({name: contrast}, images=None, comparisons=3)[0], made[name])


def test_pairs_without_a_number_are_left_out() -> None:
    found = exact([0.01, np.nan, 0.03, 0.02])
    assert found.pairs == 3
    assert found.difference == pytest.approx(0.02)
    assert_same(found, exact([0.01, 0.03, 0.02]))


def test_resamples_in_which_a_score_is_undefined_are_left_out() -> None:
    d = layout(4, 30)
    weights = np.concatenate(list(draws(30, 400)))
    replicates = d @ weights.T / 30
    spoilt = np.insert(replicates, 7, np.nan, axis=1)
    assert_same(
        *(compare({"arm": (d.mean(axis=1), r)}, images=30)[0] for r in (replicates, spoilt))
    )


def test_scores_that_hardly_a_resample_has_are_judged_by_seeds_alone() -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05])
    gaps = np.where(np.eye(4, 40, dtype=bool), 0.0, np.nan)
    assert_same(compare({"arm": (d, gaps)}, images=30, overlap=0.25)[0], exact(d, overlap=0.25))


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_fewer_than_three_pairs_have_no_interval(pairs: int) -> None:
    found = exact([0.1] * pairs)
    assert np.isnan([found.low, found.high]).all()
    assert (found.verdict, found.needed) == ("undecided", None)
    assert found.chance(2) == 0 and found.chance(20) == 1


def test_the_probability_of_a_better_training_has_wilsons_interval() -> None:
    found = exact([0.1, 0.2, -0.1, 0.3, 0.1, -0.2, 0.1])
    assert found.p_better == pytest.approx(5 / 7)
    expected = proportion_confint(5, 7, method="wilson")
    assert (found.p_better_low, found.p_better_high) == pytest.approx(expected)
    assert exact([0.1, 0.2, -0.1], higher_is_better=False).p_better == pytest.approx(1 / 3)
    assert exact([0.1, 0.0, -0.1]).p_better == 0.5
    assert exact([0.1, 0.0, 0.0, 0.2]).p_better == 0.75


@pytest.mark.parametrize(("margin", "width"), [(0.01, 0.01), (0.03, 0.03), (0.0, 0.01)])
def test_the_pairs_needed_are_the_fewest_whose_interval_fits_into_the_margin(
    margin: float, width: float
) -> None:
    found = exact(np.random.default_rng(2).normal(0, 0.02, 8), margin=margin)
    assert found.needed is not None and found.precision is not None
    assert found.precision.half_width(found.needed) <= width
    assert found.needed == 3 or found.precision.half_width(found.needed - 1) > width


def test_no_number_of_pairs_may_be_enough() -> None:
    assert exact([0.01, 0.03, -0.04], overlap=0.25).needed is None
    d = layout(6, 40)  # in which images decide
    assert evidence(d).needed is None
    assert evidence(d).chance(1000) < 0.5


@pytest.mark.parametrize("difference", [0.0, 0.01, 0.02, 0.04])
def test_the_chance_of_a_verdict_is_how_often_there_is_one(difference: float) -> None:
    """By simulation of what may follow, with the verdict read after the last pair alone."""
    pairs, later, margin, spread = 6, 14, 0.02, 0.02
    precision = Precision(np.array(spread**2), np.array(0.0), None, 1)
    rng = np.random.default_rng(3)
    draws = 4000
    sigma = spread * np.sqrt((pairs - 1) / rng.chisquare(pairs - 1, draws))
    truth = difference + sigma / np.sqrt(pairs) * rng.standard_normal(draws)
    more = truth[:, None] + sigma[:, None] * rng.standard_normal((draws, later - pairs))
    mean = (pairs * difference + more.sum(axis=1)) / later
    squares = (pairs - 1) * spread**2 + pairs * (difference - mean) ** 2
    variance = (squares + ((more - mean[:, None]) ** 2).sum(axis=1)) / (later - 1)
    half = Precision(variance, np.zeros(draws), None, 1).half_width(later)
    said = (abs(mean) > half) | (abs(mean) + half < margin)
    found = precision.chance(difference, margin, pairs, later)
    assert found == pytest.approx(said.mean(), abs=0.08)  # variances then vary, too


def test_the_chance_of_a_verdict_at_once_is_that_of_having_it() -> None:
    assert exact([0.1, 0.11, 0.1]).chance(20) == 1
    undecided = exact([0.1, -0.1, 0.1])
    assert undecided.verdict == "undecided"
    assert undecided.chance(3) == 0
    assert 0 < undecided.chance(20) < 1
