"""The differences of arms from their baseline, and how sure they are. Pure functions of arrays.

What is compared are paired differences: under one seed (and fold) all arms saw the same batches and
are scored on the same images. A difference varies for two reasons. Another seed would have given
other weights, and other validation images would have been answered otherwise. The first reason
shrinks with more seeds, the second does not: an interval from seeds alone is too narrow where the
arms disagree about the images themselves, and one from images alone knows nothing of luck in
training. So a mean difference has both parts of variance, s^2/n + c:

- s: the standard deviation of the n differences. It holds the seeds' own spread and what the images
  add to it anew under each seed. Of the images' part more is known than of s: s^2 is taken as at
  least v/4 (v below), or three seeds that happen to agree to the image would pass for certainty.
- c: what the images add under all seeds alike, from a bootstrap over images that draws the same
  ones for all arms and seeds. With V the variance of the mean difference over resamples, and v the
  mean variance of a single seed's, c = n/(n-1) max(0, V - v/n). For accuracy this equals the
  variance component of a two-way layout, seeds by images, in the limit of many resamples.
- Where no image tells two arms apart, c is that of a single image that would, 1/N^2 for N images:
  that none of a few images did is no certainty either.
- Where each seed (or fold) draws its own validation images, s holds all that images add, and c is
  s^2 q instead, with q the share of validation images to training images. Trainings on overlapping
  images are alike, and s does not see it: Nadeau and Bengio 2003, Machine Learning 52, the
  corrected resampled t-test.

- Of scores without the answers behind them, c is not known: the interval is of the seeds' part, and
  speaks of these images alone. Differences that agree to the last digit say how coarse the scores
  are (accuracies of 100 images are whole points), and not that nothing varies: s is taken as at
  least half of the smallest step between two scores.
`looks` makes the intervals. What an interval has left out at one look it leaves out at all later
ones: it is the intersection of those of all looks, which follow from the pairs in their order. So a
verdict that was said once stays when pairs are added, whoever looked when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlp.evidence.looks import FIRST_LOOK, LEVEL, SCORES_SHARE, SEEDS_SHARE, Precision
from mlp.predictions import Floats

Verdict = Literal["better", "worse", "equal", "slightly better", "slightly worse", "undecided"]
Contrast = tuple[Floats, Floats]  # differences (P,), and on resampled images (P, R)

POINT = 0.01  # of a metric
_LEAST_SHARE = 0.25  # of v, that s^2 is taken for (benchmarks)
NAN = float("nan")


@dataclass(frozen=True)
class Comparison:
    """A mean paired difference and its evidence. Differences are in the unit of the metric.

    `pairs`: how many finished in both. `low`, `high`: the interval, which holds together with those
    of its family, and from which the verdict was read; NaN below three pairs. `needed`: how many
    pairs would make it no wider than the margin to either side (a point where that is 0); None: no
    number would. `p_better`: the probability that one more training is better than one more of the
    baseline under the same seed (Bouthillier et al. 2021), with its own 95% interval (Wilson).
    """

    name: str
    pairs: int
    difference: float
    low: float
    high: float
    verdict: Verdict
    needed: int | None
    spread: float
    p_better: float
    p_better_low: float
    p_better_high: float
    margin: float
    precision: Precision | None

    @property
    def shown(self) -> bool:
        """True where the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    @property
    def improves(self) -> bool:
        """True where it was shown to be better, by however little."""
        return self.verdict in ("better", "slightly better")

    def chance(self, pairs: int) -> float:
        """The probability of a verdict after so many pairs; 1 where there is one already."""
        if self.verdict != "undecided":
            return 1.0
        if self.precision is None:
            return 1.0 if pairs >= FIRST_LOOK else 0.0  # nothing is known yet
        return self.precision.chance(self.difference, self.margin, self.pairs, pairs)


@dataclass(frozen=True)
class _Series:
    """The pairs of one contrast in their order. Arrays have an entry for 1 to n pairs (n,)."""

    differences: Floats
    variance: Floats
    common: Floats
    alike: NDArray[np.bool_]  # where no image tells the arms apart

    @classmethod
    def of(cls, differences: Floats, replicates: Floats, step: float) -> _Series:
        """The finished pairs, with what seeds and images add; NaN is left out."""
        there = np.isfinite(differences)
        d, replicates = differences[there], replicates[there]
        # A resample may lack what a score needs, as ROC AUC needs both kinds of images
        whole = np.isfinite(replicates).all(axis=0)
        # Where hardly a resample has a score in every pair, the images have nothing to say
        silent = whole.sum() < 2
        replicates = np.repeat(d[:, None], 2, axis=1) if silent else replicates[:, whole]
        n = np.arange(1, len(d) + 1)
        single = np.cumsum(replicates.var(axis=1, ddof=1)) / n
        together = (np.cumsum(replicates, axis=0) / n[:, None]).var(axis=1, ddof=1)
        common = np.maximum(0.0, together - single / n) * n / np.maximum(n - 1, 1)
        spread = np.array([d[:k].var(ddof=1) if k > 1 else 0.0 for k in n])
        least = np.maximum(_LEAST_SHARE * single, step**2 / 4)
        return cls(d, np.maximum(spread, least), common, (single == 0) & (not silent))


def compare(
    contrasts: Mapping[str, Contrast],
    *,
    images: int | None,
    overlap: float | None = None,
    margin: float = POINT,
    higher_is_better: bool = True,
    comparisons: int | None = None,
    step: float = 0.0,
) -> list[Comparison]:
    """The evidence of paired differences, with intervals that hold together for all contrasts.

    A contrast is the differences (P,) in the order of their seeds, and those on bootstrap resamples
    of the validation `images` (P, R): resample r draws the same ones in every row where seeds share
    them. `overlap`: validation images per training image where each pair has its own validation
    images, None where all pairs share them. `images` is None for what is not measured on images.
    Pairs whose difference is NaN are left out. `margin`: the difference that would matter; 0 to say
    of none that it is equal. `comparisons`: the number of those that the intervals hold for
    together, if not that of the contrasts. `step`: the smallest between two scores, where nothing
    else tells how coarse they are.
    """
    sign = 1 if higher_is_better else -1
    made = []
    for name, contrast in contrasts.items():
        each = _Series.of(*contrast, step)
        common = each.common if overlap is None else each.variance * overlap
        if images:
            common = np.where(each.alike, 1 / images**2, common)
        degrees = images - 1 if images and overlap is None else None
        share = SCORES_SHARE if not images and overlap is None else SEEDS_SHARE
        family = comparisons or len(contrasts)
        precision = Precision(each.variance, common, degrees, family, share)
        d = each.differences
        n = np.arange(1, len(d) + 1)
        ahead = float(np.mean((np.sign(d) * sign + 1) / 2)) if len(d) else NAN
        spread = float(d.std(ddof=1)) if len(d) > 1 else NAN
        shown = float(d.mean()) if len(d) else NAN, spread, ahead
        made.append(judged(name, np.cumsum(d) / n, n, precision, shown, margin, higher_is_better))
    return made


def of_two_models(difference: float, replicates: Floats, images: int) -> tuple[float, float]:
    """The interval of a difference between two models, which varies with the images alone.

    `replicates` (R,) are the differences on bootstrap resamples of the `images`.
    """
    known = replicates[np.isfinite(replicates)]
    common = np.array(known.var(ddof=1) or 1 / images**2)
    precision = Precision(np.zeros(()), common, images - 1, comparisons=1)
    half = float(precision.half_width(FIRST_LOOK))  # as of any number of pairs
    return difference - half, difference + half


def judged(
    name: str,
    means: Floats,
    n: NDArray[np.int64],
    precision: Precision,
    shown: tuple[float, float, float],
    margin: float,
    higher_is_better: bool,
) -> Comparison:
    """The comparison of `n` pairs at each look, where means and precision have an entry for each.

    `shown`: the difference, its spread, and the share of pairs that are better.
    """
    pairs = int(n[-1]) if len(n) else 0
    difference, spread, share = shown
    low, high, needed, now = NAN, NAN, None, None
    if pairs >= FIRST_LOOK:
        looks = n >= FIRST_LOOK
        with np.errstate(invalid="ignore", divide="ignore"):  # of no degrees of freedom
            half = precision.half_width(n)
        low, high = intersection((means - half)[looks], (means + half)[looks])
        now = replace(precision, variance=precision.variance[-1], common=precision.common[-1])
        needed = now.needed(margin or POINT)
    return Comparison(
        name,
        pairs,
        difference,
        low,
        high,
        verdict(low, high, margin, higher_is_better),
        needed,
        spread,
        share,
        *_wilson(share, pairs),
        margin,
        now,
    )


def intersection(lows: Floats, highs: Floats) -> tuple[float, float]:
    """The interval that all looks have in common.

    Where a look has nothing in common with those before it, which happens in fewer than LEVEL of
    studies, it is the one before that look.
    """
    lows, highs = np.maximum.accumulate(lows), np.minimum.accumulate(highs)
    last = int(np.count_nonzero(lows <= highs)) - 1
    return float(lows[last]), float(highs[last])


def verdict(low: float, high: float, margin: float, higher_is_better: bool = True) -> Verdict:
    """The verdict of an interval: by 0, and by the margin to both sides of it."""
    shown, equal = low > 0 or high < 0, -margin < low <= high < margin
    better = (low > 0) == higher_is_better
    if shown and equal:
        return "slightly better" if better else "slightly worse"
    if shown:
        return "better" if better else "worse"
    return "equal" if equal else "undecided"


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share, in which a tie counts as half."""
    if not n:
        return NAN, NAN
    z = float(stats.norm.isf(LEVEL / 2))
    centre, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float((centre - half) / (1 + z**2 / n)), float((centre + half) / (1 + z**2 / n))
