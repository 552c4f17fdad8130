"""The difference of one arm from another, and how sure it is. Pure functions of arrays.

What is compared are paired differences: under one seed (and fold) all arms saw the same batches and
are scored on the same images. A difference varies for two reasons. Another seed would have given
other weights, and other validation images would have been answered otherwise. The first reason
shrinks with more seeds, the second does not: an interval from seeds alone is too narrow where the
arms disagree about the images themselves, and one from images alone knows nothing of luck in
training. So the standard error has both parts:

    SE^2 = s^2 (1/n + q) + c

- s: the standard deviation of the n differences. It holds the seeds' own spread and what the images
  add to it anew under each seed. Of the images' part more is known than of s: s^2 is taken as at
  least v/4 (v below), or three seeds that happen to agree to the image would pass for certainty.
- c: what the images add under all seeds alike, from a bootstrap over images that draws the same
  ones for all arms and seeds. With V the variance of the mean difference over resamples, and v the
  mean variance of a single seed's, c = n/(n-1) max(0, V - v/n). For accuracy this equals the
  variance component of a two-way layout, seeds by images, in the limit of many resamples.
- q: the share of validation images to training images where each seed (or fold) draws its own, else
  0. Trainings on overlapping images are alike, and s does not see it: Nadeau and Bengio 2003,
  Machine Learning 52, the corrected resampled t-test. There c is 0, since s holds all of it.

Intervals and p-values are Student's, with Satterthwaite's degrees of freedom for the sum, at most
1.25 times those of the seeds. The usual hierarchical percentile bootstrap (seeds, then images) is
given beside them; alone it would tell equal arms apart in under 1% or in over 15% of studies,
depending on which of the two reasons is the larger: `python -m benchmarks.calibration` shows both.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from mlp.predictions import Floats

Verdict = Literal["better", "worse", "no difference shown", "too few seeds to tell"]

LEVEL = 0.05
POWER = 0.8
SIGN_FLIP_FROM = 6  # pairs: with fewer, no two-sided sign-flip test can reach 5% (2 / 2^5 > 0.05)
_MOST_DEGREES = 1.25  # of those of the seeds: c is an estimate as well (benchmarks)
_LEAST_SHARE = 0.25  # of v, that s^2 is taken for (benchmarks)
VERDICT_FROM = 3  # pairs: from two, the spread of a difference is hardly known (benchmarks)
MANY_SEEDS = 100  # a guess at what nobody will train
_EXACT_UP_TO = 16  # pairs for which all sign flips are counted; above, 100,000 of them
_DRAWS = 100_000


@dataclass(frozen=True)
class Comparison:
    """A mean paired difference and its evidence. Differences are in the unit of the metric.

    `pairs`: how many finished in both. `spread`: s, as above. `low`, `high`: the 95% interval;
    `bootstrap_low`, `bootstrap_high`: the percentile interval of the hierarchical bootstrap, for
    reference. `p` is for this comparison alone, `p_holm` for all of its family; `p_sign_flip` is
    exact, from six pairs on. NaN where the pairs are too few. `pairs_needed`: how many would show
    the seen difference with 80% power; None: no number would.
    """

    name: str
    pairs: int
    difference: float
    spread: float
    standard_error: float
    degrees: float
    low: float
    high: float
    bootstrap_low: float
    bootstrap_high: float
    p: float
    p_holm: float
    p_sign_flip: float
    pairs_needed: int | None
    verdict: Verdict

    @property
    def from_images(self) -> bool:
        """Is it the images that hide the difference, so that no number of pairs would show it?"""
        common = self.standard_error**2 - self.spread**2 / max(self.pairs, 1)
        critical = float(stats.norm.isf(LEVEL / 2) + stats.norm.isf(1 - POWER))
        return common > 0 and abs(self.difference) < critical * float(np.sqrt(common))


def compare(
    name: str,
    differences: Floats,
    replicates: Floats,
    *,
    images: int,
    overlap: float | None = None,
) -> Comparison:
    """The evidence of paired differences (n,), by themselves: `family` judges them together.

    `replicates` (n, R): the differences on bootstrap resamples of the validation `images`, resample
    r drawing the same ones in every row where seeds share them. `overlap`: validation images per
    training image where each pair has its own validation images, None where all pairs share them.
    Pairs whose difference is NaN are left out, and resamples in which a score is not defined.
    """
    there = np.isfinite(differences)
    d, replicates = differences[there], replicates[there]
    whole = np.isfinite(replicates).all(axis=0)
    # Where hardly a resample has a score in every pair, the images have nothing to say
    replicates = replicates[:, whole] if whole.sum() > 1 else np.repeat(d[:, None], 2, axis=1)
    n = len(d)
    nan = float("nan")
    alone = Comparison(
        name, n, float(d.mean()) if n else nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan,
        None, "too few seeds to tell",
    )  # fmt: skip
    if n < 2:
        return alone
    variance, common = _variances(d, replicates, overlap)
    seeds = variance * (1 / n + (overlap or 0.0))
    error = float(np.sqrt(seeds + common))
    degrees, low, high, p = float(n - 1), alone.difference, alone.difference, 1.0
    if error > 0:
        own, shared = seeds**2 / (n - 1), common**2 / (images - 1)
        degrees = min((seeds + common) ** 2 / (own + shared), _MOST_DEGREES * (n - 1))
        low, high = stats.t.interval(1 - LEVEL, degrees, alone.difference, error)
        p = 2 * float(stats.t.sf(abs(alone.difference) / error, degrees))
    elif alone.difference != 0:
        p = 0.0  # the same difference under every seed and on every image
    bootstrap_low, bootstrap_high = _percentile_interval(replicates)
    return replace(
        alone,
        spread=float(np.sqrt(variance)),
        standard_error=error,
        degrees=float(degrees),
        low=float(low),
        high=float(high),
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        p=p,
        p_sign_flip=sign_flip(d),
    )


def unpaired(name: str, ours: Floats, theirs: Floats) -> Comparison:
    """Welch's t-test of the means of independent runs, where nothing pairs them.

    `pairs` is the smaller number of runs.
    """
    ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    n = min(len(ours), len(theirs))
    nan = np.full((1, 2), np.nan)
    empty = compare(name, nan[:, 0], nan, images=2)
    if n < 2:
        return replace(empty, pairs=n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of runs that are all equal
        test = stats.ttest_ind(ours, theirs, equal_var=False)
    difference = float(ours.mean() - theirs.mean())
    error = float(np.sqrt(ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs)))
    if error == 0:
        p = float(difference == 0)
        return replace(empty, pairs=n, difference=difference, low=difference, high=difference, p=p)
    low, high = test.confidence_interval(1 - LEVEL)
    return replace(
        empty,
        pairs=n,
        difference=difference,
        spread=error * float(np.sqrt(n)),
        standard_error=error,
        degrees=float(test.df),
        low=float(low),
        high=float(high),
        p=float(test.pvalue),
    )


def _variances(d: Floats, replicates: Floats, overlap: float | None) -> tuple[float, float]:
    """s^2, the variance of a difference from pair to pair, and c, of images in common."""
    n = len(d)
    single = float(replicates.var(axis=1, ddof=1).mean())
    variance = max(float(d.var(ddof=1)), _LEAST_SHARE * single)
    if overlap is not None:
        return variance, 0.0
    together = float(replicates.mean(axis=0).var(ddof=1))
    return variance, max(0.0, together - single / n) * n / (n - 1)


def _percentile_interval(replicates: Floats) -> tuple[float, float]:
    n, resamples = replicates.shape
    drawn = np.random.default_rng(0).integers(0, n, (n, resamples))
    means = np.take_along_axis(replicates, drawn, axis=0).mean(axis=0)
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def sign_flip(differences: Floats) -> float:
    """Two-sided p of the mean under flips of signs: exact up to 16 pairs; NaN below six."""
    n = len(differences)
    if n < SIGN_FLIP_FROM:
        return float("nan")
    result = stats.permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf if n <= _EXACT_UP_TO else _DRAWS,
        batch=10_000,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979, Scandinavian Journal of Statistics 6); NaN stays NaN."""
    values = np.array(p, float)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    values[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in values]


def pairs_needed(
    difference: float, spread: float, common: float, overlap: float | None, comparisons: int
) -> int | None:
    """The fewest pairs that would show a difference of this size with 80% power.

    At 5% over all comparisons (Bonferroni's share, the hardest step of Holm's); by the noncentral
    t distribution. None where even 10,000 would not: the validation images are too few, or (with
    `overlap`) all trainings use nearly the same images.
    """
    if difference == 0 or not np.isfinite(spread):
        return None
    n = np.unique(np.geomspace(2, 10_000, 400).astype(int))
    error = np.sqrt(spread**2 * (1 / n + (overlap or 0.0)) + common)
    if not error.all():
        return VERDICT_FROM
    degrees = n - 1
    critical = stats.t.isf(LEVEL / comparisons / 2, degrees)
    power = stats.nct.sf(critical, degrees, abs(difference) / error)
    enough = np.flatnonzero(power >= POWER)
    return max(VERDICT_FROM, int(n[enough[0]])) if len(enough) else None


def family(
    comparisons: Sequence[Comparison], *, higher_is_better: bool, overlap: float | None = None
) -> list[Comparison]:
    """The comparisons judged together: Holm's correction, verdicts, and the pairs needed."""
    tested = [c.p if c.pairs >= VERDICT_FROM else float("nan") for c in comparisons]
    count = max(1, sum(c.pairs > 0 for c in comparisons))
    judged = []
    for each, corrected in zip(comparisons, holm(tested), strict=True):
        common = each.standard_error**2 - each.spread**2 * (1 / max(each.pairs, 1) + (overlap or 0))
        needed = pairs_needed(each.difference, each.spread, max(0.0, common), overlap, count)
        each = replace(each, p_holm=corrected, pairs_needed=needed)
        judged.append(replace(each, verdict=_verdict(each, higher_is_better)))
    return judged


def _verdict(each: Comparison, higher_is_better: bool) -> Verdict:
    """The verdict of a comparison.

    From six pairs on, the exact sign-flip test has to agree. It is not Holm's first step that it
    has to pass: with seven arms, that is out of its reach below nine pairs, whatever the effect.
    """
    refuted = np.isfinite(each.p_sign_flip) and each.p_sign_flip > LEVEL
    if each.p_holm <= LEVEL and not refuted:
        return "better" if (each.difference > 0) == higher_is_better else "worse"
    if each.pairs < VERDICT_FROM:
        return "too few seeds to tell"
    within_reach = each.pairs_needed is not None and each.pairs_needed <= MANY_SEEDS
    if each.pairs < SIGN_FLIP_FROM and within_reach:
        return "too few seeds to tell"
    return "no difference shown"
