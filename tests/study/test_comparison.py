"""The statistics, against other implementations, closed forms, enumeration and simulation."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from benchmarks.calibration import drawn_from, made_up, simulate
from mlp.evidence.comparison import (
    Comparison,
    compare,
    family,
    holm,
    pairs_needed,
    sign_flip,
    unpaired,
)
from mlp.evidence.resampling import draws


def layout(seeds: int, images: int, gain: float = 0.0, seed: int = 0) -> np.ndarray:
    """Differences of being right: -1, 0 or 1 for each seed and image."""
    rng = np.random.default_rng(seed)
    common = rng.normal(gain, 0.4, images)
    own = rng.normal(0, 0.1, (seeds, 1))
    return np.clip(np.round(common + own + rng.normal(0, 0.4, (seeds, images))), -1, 1)


def evidence(d: np.ndarray, resamples: int = 2000, **options: float) -> Comparison:
    weights = np.concatenate(list(draws(d.shape[1], resamples)))
    replicates = d @ weights.T / d.shape[1]
    return compare("arm", d.mean(axis=1), replicates, images=d.shape[1], **options)


def exact(differences: list[float], **options: float) -> Comparison:
    """Without anything that images add."""
    d = np.array(differences)
    return compare("arm", d, np.repeat(d[:, None], 2, axis=1), images=2, **options)


def assert_same(one: Comparison, other: Comparison) -> None:
    assert asdict(one) == pytest.approx(asdict(other), nan_ok=True)


def test_the_standard_error_is_that_of_a_two_way_layout() -> None:
    import pandas as pd

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
    expected = (of_seed + max(0.0, of_image - residual)) / (seeds * images)
    found = evidence(d, resamples=60_000)
    assert found.standard_error**2 == pytest.approx(expected, rel=0.03)
    assert found.difference == pytest.approx(d.mean())
    # The images count: seeds alone would give a narrower interval
    assert found.standard_error > 1.2 * d.mean(axis=1).std(ddof=1) / np.sqrt(seeds)


def test_seeds_that_happen_to_agree_are_no_certainty() -> None:
    d = np.zeros((3, 180))
    for seed in range(3):
        d[seed, 60 * seed : 60 * seed + 20] = 1
        d[seed, 60 * seed + 20 : 60 * seed + 35] = -1
    found = evidence(d)
    assert found.difference == pytest.approx(5 / 180)
    assert len(set(d.mean(axis=1))) == 1
    images_alone = d.var(axis=1, ddof=1).mean() / 180
    assert found.spread**2 == pytest.approx(0.25 * images_alone, rel=0.1)
    assert found.p > 0.05


def test_without_a_part_of_images_it_is_students_paired_t_test() -> None:
    d = [0.01, 0.03, 0.02, 0.05, -0.01]
    found = exact(d)
    expected = stats.ttest_1samp(d, 0)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.degrees == 4


def test_overlapping_trainings_get_nadeau_and_bengios_correction() -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05, -0.01, 0.02])
    found = exact(list(d), overlap=0.25)
    t = d.mean() / np.sqrt((1 / 6 + 0.25) * d.var(ddof=1))
    assert found.p == pytest.approx(2 * stats.t.sf(t, 5))
    assert found.p > stats.ttest_1samp(d, 0).pvalue


@pytest.mark.parametrize("n", [6, 7, 9])
def test_the_sign_flip_test_counts_all_flips(n: int) -> None:
    d = np.random.default_rng(n).normal(0.5, 1, n)
    flips = [abs(np.mean(d * np.array(signs))) for signs in product([1, -1], repeat=n)]
    share = np.mean([value >= abs(d.mean()) - 1e-12 for value in flips])
    assert sign_flip(d) == pytest.approx(share)


def test_the_sign_flip_test_has_nothing_to_say_of_five_pairs() -> None:
    assert np.isnan(sign_flip(np.ones(5)))
    assert sign_flip(np.arange(1.0, 7.0)) == pytest.approx(2 / 64)


def test_holm_is_that_of_statsmodels_whatever_the_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.beta(0.3, 2, 7)
        expected = multipletests(p, method="holm")[1]
        assert holm(p) == pytest.approx(expected)
        order = rng.permutation(7)
        assert np.array(holm(p[order])) == pytest.approx(expected[order])
    assert np.isnan(holm([0.01, float("nan"), 0.02])[1])
    assert holm([0.01, float("nan"), 0.02])[0] == pytest.approx(0.02)


@pytest.mark.parametrize("effect", [0.8, 1.5, 3.0])
def test_the_pairs_needed_are_those_of_a_paired_t_test(effect: float) -> None:
    expected = TTestPower().solve_power(effect, alpha=0.05, power=0.8)
    found = pairs_needed(effect, 1.0, 0.0, None, 1)
    assert found is not None
    assert expected <= found <= 1.06 * expected + 1


def test_no_number_of_pairs_may_be_enough() -> None:
    assert pairs_needed(0.01, 0.02, 0.01**2, None, 1) is None
    assert pairs_needed(0.01, 0.02, 0.0, 0.25, 1) is None
    assert pairs_needed(0.0, 0.02, 0.0, None, 1) is None
    alone, among = (pairs_needed(0.02, 0.02, 0.0, None, m) for m in (1, 7))
    assert alone is not None and among is not None and alone < among


def judged(*comparisons: Comparison, higher: bool = True) -> list[str]:
    return [c.verdict for c in family(comparisons, higher_is_better=higher)]


def test_verdicts() -> None:
    clear = exact([0.10, 0.11, 0.09, 0.10, 0.105])
    faint = exact([0.10, -0.02, 0.07, 0.04, -0.01])
    assert judged(clear, faint) == ["better", "too few seeds to tell"]
    assert judged(clear, higher=False) == ["worse"]
    nothing = exact([0.01, -0.01, 0.011, -0.0105, 0.0])
    assert judged(nothing) == ["no difference shown"]
    assert judged(exact([0.0, 0.0, 0.0])) == ["no difference shown"]
    for few in ([], [0.1], [0.1, 0.1]):
        assert judged(exact(few)) == ["too few seeds to tell"]


def test_from_six_pairs_on_the_exact_test_has_to_agree() -> None:
    d = [0.05, 0.06, 0.055, 0.06, 0.05, -0.012]
    found = exact(d)
    assert found.p < 0.05 < found.p_sign_flip
    assert judged(found) == ["no difference shown"]
    assert judged(exact([*d[:5], 0.012])) == ["better"]


def test_the_correction_depends_on_how_many_arms_there_are() -> None:
    arm = exact([0.05, 0.09, 0.02, 0.06, 0.04])
    other = exact([0.01, -0.01, 0.02, -0.02, 0.0])
    assert 0.005 < arm.p < 0.05
    assert judged(arm)[0] == "better"
    assert judged(arm, *[other] * 9)[0] != "better"
    p_holm = family([arm, other, other], higher_is_better=True)[0].p_holm
    assert p_holm == pytest.approx(3 * arm.p)


def test_pairs_without_a_number_are_left_out() -> None:
    d = np.array([0.01, np.nan, 0.03, 0.02])
    found = compare("arm", d, np.repeat(d[:, None], 2, axis=1), images=2)
    assert found.pairs == 3
    assert found.difference == pytest.approx(0.02)
    assert_same(found, exact([0.01, 0.03, 0.02]))


def test_resamples_in_which_a_score_is_undefined_are_left_out() -> None:
    d = layout(4, 30)
    weights = np.concatenate(list(draws(30, 400)))
    replicates = d @ weights.T / 30
    spoilt = np.insert(replicates, 7, np.nan, axis=1)
    found = [compare("arm", d.mean(axis=1), r, images=30) for r in (replicates, spoilt)]
    assert_same(*found)


def test_scores_that_hardly_a_resample_has_are_judged_by_seeds_alone() -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05])
    gaps = np.where(np.eye(4, 40, dtype=bool), 0.0, np.nan)
    found = compare("arm", d, gaps, images=30, overlap=0.25)
    t = d.mean() / np.sqrt((1 / 4 + 0.25) * d.var(ddof=1))
    assert found.p == pytest.approx(2 * stats.t.sf(t, 3))


def test_unpaired_runs_are_compared_by_welch() -> None:
    ours, theirs = np.array([0.6, 0.62, 0.61, 0.7]), np.array([0.5, 0.55, 0.52])
    found = unpaired("arm", ours, theirs)
    expected = stats.ttest_ind(ours, theirs, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert np.isnan(unpaired("arm", ours[:1], theirs).p)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("disagreement", [0.0, 1.0])
def test_equal_arms_are_told_apart_in_at_most_5_percent_of_studies(
    seeds: int, disagreement: float
) -> None:
    studies = 300
    said = simulate(made_up(0.1, disagreement), seeds, 100, studies)[0]
    # The full simulation is in benchmarks/; here a rate of 8% or more would be noticed
    assert stats.binomtest(int(said), studies, 0.05, "greater").pvalue > 0.01


def test_unequal_arms_are_told_apart() -> None:
    population = layout(20, 150) > 0
    said = simulate(drawn_from(population.astype(float), 0.15), 5, 500, 100)[0]
    assert said > 90
