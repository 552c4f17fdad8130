"""Intervals of mean paired differences that hold together, for all arms and at every look.

Seeds come one after the other, and whoever reads a study after some of them looks. Under n pairs
the mean difference of an arm varies by its seeds' part s^2/n, which every look sees anew, and by
the part c that all looks share: their validation images (or, where each seed draws its own, the
training images that all trainings have in common). The half-width of the interval is

    sqrt(t_n^2 s^2/n + t^2 c)

- t_n: Student's quantile at the two-sided level LEVEL/m SEEDS_SHARE sqrt(3/n), for m arms. Looks at
  every n from 3 on together spend what one look at LEVEL/m would: each of them sees mostly what
  the one before it saw (Lan and DeMets 1983, Biometrika 70). The share is found by simulation, as
  are the other constants: `python -m benchmarks.calibration`. Arms share their baseline, and so
  their mistakes (Dunnett 1955, JASA 50): where there are several, the share is larger.
- t: Student's quantile at LEVEL/m IMAGES_SHARE. It does not depend on n, for c is drawn once: where
  the images decide, all looks are one look.
- s^2 is the arm's own variance, pulled towards the mean of all arms at the first look, which counts
  as much as PRIOR_DEGREES more pairs (the moderated t statistic: Smyth 2004, Statistical
  Applications in Genetics and Molecular Biology 3). Three seeds of one arm say little of a
  variance, those of seven arms say more. An arm without others has its own alone.

The division of the level by m is Bonferroni's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from mlp.predictions import Floats

LEVEL = 0.05
FIRST_LOOK = 3  # pairs: from two, the spread of a difference is hardly known (benchmarks)
SEEDS_SHARE = {"one arm": 0.24, "several": 0.3}  # of the level, for the first look at the seeds
IMAGES_SHARE = 0.8  # of the level, for the part that all looks share
PRIOR_DEGREES = 4
MOST_PAIRS = 1000  # that anybody might train
HOPELESS = 0.4  # the chance of a verdict below which `auto` gives an arm no more pairs


@dataclass(frozen=True)
class Precision:
    """The sureness of a mean of paired differences, in the unit of the metric.

    `variance`: s^2; `common`: c. Both are of one look or have an entry for each look (n,).
    `common_degrees`: the degrees of freedom that c is known with; None: those of s^2.
    `comparisons`: m; `pooled`: the number of arms whose spreads made the prior, 0 without one.
    """

    variance: Floats
    common: Floats
    common_degrees: int | None
    comparisons: int
    pooled: int

    def half_width(self, pairs: ArrayLike) -> Floats:
        """Half of the interval after so many pairs: those that were seen, or others."""
        n = np.asarray(pairs, float)
        level, degrees = LEVEL / self.comparisons, self._degrees(n)
        share = SEEDS_SHARE["several" if self.pooled else "one arm"] * np.sqrt(FIRST_LOOK / n)
        seeds = stats.t.isf(level * share / 2, degrees)
        images = stats.t.isf(level * IMAGES_SHARE / 2, self.common_degrees or degrees)
        return np.asarray(np.sqrt(seeds**2 * self.variance / n + images**2 * self.common))

    def _degrees(self, n: Floats) -> Floats:
        """Degrees of freedom of `variance`: twice its square through its variance."""
        if not self.pooled:
            return n - 1
        # Spreads of differences from one baseline are correlated: 1/4 for arms of equal spread
        shared = (1 + (self.pooled - 1) / 4) / self.pooled
        prior = shared * (PRIOR_DEGREES**2 + 4 * PRIOR_DEGREES)
        return np.asarray(2 * (PRIOR_DEGREES + n - 1) ** 2 / (prior + 2 * (n - 1)))

    def needed(self, width: float) -> int | None:
        """The fewest pairs with which half of the interval is at most `width`; None: no number."""
        n = np.arange(FIRST_LOOK, MOST_PAIRS + 1)
        enough = np.flatnonzero(self.half_width(n) <= width)
        return int(n[enough[0]]) if len(enough) else None

    def chance(self, difference: float, margin: float, pairs: int, later: int) -> float:
        """The probability of a verdict after `later` pairs, from what `pairs` pairs have shown.

        From the predictive distribution: Spiegelhalter et al. 1986, Controlled Clinical Trials 7.
        """
        half = float(self.half_width(later))
        spread = np.sqrt(self.variance * (1 / pairs - 1 / later)) or np.finfo(float).tiny
        t = stats.t(float(self._degrees(np.array(pairs))), difference, spread)
        chance = t.sf(half) + t.cdf(-half)
        if half < margin:
            chance += t.cdf(margin - half) - t.cdf(half - margin)
        return float(min(chance, 1.0))


def moderated(variance: Floats, prior: float | None) -> Floats:
    """Variances (n,) of an arm after 1 to n pairs, pulled towards that of all arms."""
    if prior is None:
        return variance
    own = np.arange(len(variance))
    return np.asarray((PRIOR_DEGREES * prior + own * variance) / (PRIOR_DEGREES + own))
