"""Intervals of mean paired differences that hold together, for all arms and at every look.

Seeds come one after the other, and whoever reads a study after some of them looks. Under n pairs
the mean difference of an arm varies by its seeds' part s^2/n, which every look sees anew, and by
the part c that all looks share: their validation images (or, where each seed draws its own, the
training images that all trainings have in common). The half-width of the interval is

    sqrt(t_n^2 s^2/n + t^2 c)

- t_n: Student's quantile, with n - 1 degrees of freedom, at the two-sided level
  LEVEL/m SEEDS_SHARE (3/n)^(3/4), for m arms; beyond 20 pairs this times 20/n. Looks at every n
  from 3 on together spend what one look at LEVEL/m would: each of them sees mostly what the one
  before it saw (Lan and DeMets 1983, Biometrika 70). The share is found by simulation
  (`python -m benchmarks.calibration`): the images' part, of which all looks together spend one
  share, leaves room for it. Where scores alone are known, c is 0 and nothing leaves room: the share
  is SCORES_SHARE, with which up to 20 arms and 400 looks keep to LEVEL.
- t: Student's quantile at LEVEL/m IMAGES_SHARE. It does not depend on n, for c is drawn once: where
  the images decide, all looks are one look.

The division of the level by m is Bonferroni's. Dunnett's quantiles would be 2% smaller for seven
arms, but need arms of equal spread, and those of real arms differ by a factor of five.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from mlp.predictions import Floats

LEVEL = 0.05
FIRST_LOOK = 3  # pairs: from two, the spread of a difference is hardly known (benchmarks)
SEEDS_SHARE = 0.28  # of the level, that the first look at the seeds' part spends
SCORES_SHARE = 0.2  # the same, of scores without the images behind them
IMAGES_SHARE = 0.8  # of the level, for the part that all looks share
MOST_PAIRS = 1000  # that anybody might train
_USUAL_PAIRS = 20  # after which there are few looks, which spend less
_VARIANCES = 8  # that stand for all that a variance may be
HOPELESS = 0.2  # chance of a verdict, below which more pairs are not worth their trainings


@dataclass(frozen=True)
class Precision:
    """The sureness of a mean of paired differences, in the unit of the metric.

    `variance`: s^2; `common`: c. Both are of one look or have an entry for each look (n,).
    `common_degrees`: the degrees of freedom that c is known with; None: those of s^2.
    `comparisons`: m. `share`: of the level, that the first look spends.
    """

    variance: Floats
    common: Floats
    common_degrees: int | None
    comparisons: int
    share: float = SEEDS_SHARE

    def half_width(self, pairs: ArrayLike) -> Floats:
        """Half of the interval after so many pairs: those that were seen, or others."""
        n = np.asarray(pairs, float)
        level = LEVEL / self.comparisons
        share = self.share * (FIRST_LOOK / n) ** (3 / 4) * np.minimum(1, _USUAL_PAIRS / n)
        seeds = stats.t.isf(level * share / 2, n - 1)
        images = stats.t.isf(level * IMAGES_SHARE / 2, self.common_degrees or n - 1)
        return np.asarray(np.sqrt(seeds**2 * self.variance / n + images**2 * self.common))

    def needed(self, width: float) -> int | None:
        """The fewest pairs with which half of the interval is at most `width`; None: no number."""
        n = np.arange(FIRST_LOOK, MOST_PAIRS + 1)
        enough = np.flatnonzero(self.half_width(n) <= width)
        return int(n[enough[0]]) if len(enough) else None

    def chance(self, difference: float, margin: float, pairs: int, later: int) -> float:
        """The probability of a verdict after `later` pairs, by what `pairs` pairs have shown.

        From the predictive distribution, over differences and variances that go with what was seen:
        Spiegelhalter et al. 1986, Controlled Clinical Trials 7.
        """
        if later <= pairs or not self.variance:
            return 0.0
        degrees = pairs - 1
        quantiles = stats.chi2.ppf((np.arange(_VARIANCES) + 0.5) / _VARIANCES, degrees)
        likely = replace(self, variance=self.variance * degrees / quantiles)
        half = likely.half_width(later)
        then = stats.norm(difference, np.sqrt(likely.variance * (1 / pairs - 1 / later)))
        equal = then.cdf(margin - half) - then.cdf(half - margin)
        return float(np.mean(then.sf(half) + then.cdf(-half) + np.maximum(equal, 0)))
