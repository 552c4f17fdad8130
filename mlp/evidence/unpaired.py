"""Differences of arms whose runs nothing pairs, and how sure they are. Pure functions of arrays.

The variance of a difference of means is Welch's, s_x^2/n + s_y^2/m (1947, Biometrika 34). The
smaller of both numbers counts as the pairs, also in the degrees of freedom. Welch's own are too
many for the tails that looks need: after three runs beside thirty, up to a fifth of comparisons
would be wrong at some look (benchmarks).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlp.evidence.comparison import NAN, POINT, Comparison, judged
from mlp.evidence.looks import SCORES_SHARE, Precision
from mlp.predictions import Floats


def compare_unpaired(
    samples: Mapping[str, tuple[Floats, NDArray[np.bool_]]],
    *,
    margin: float = POINT,
    higher_is_better: bool = True,
    comparisons: int | None = None,
    step: float = 0.0,
) -> list[Comparison]:
    """The evidence of runs that nothing pairs, with intervals as those of `compare`.

    A sample is the scores (N,) of an arm and of its baseline in the order in which they came, and
    which of them are the arm's. Each of them is a look.
    """
    sign = 1 if higher_is_better else -1
    made = []
    for name, (scores, ours) in samples.items():
        middle = scores[0] if len(scores) else 0.0  # or sums of squares would lose digits
        (n, mean, variance), (m, base, its) = (
            _running(scores - middle, which) for which in (ours, ~ours)
        )
        few = np.minimum(n, m)
        with np.errstate(invalid="ignore", divide="ignore"):  # of none
            welch = np.maximum(few * (variance / n + its / m), step**2 / 4)
        family, nothing = comparisons or len(samples), np.zeros(len(few))
        precision = Precision(welch, nothing, None, family, SCORES_SHARE)
        x, y = scores[ours], np.sort(scores[~ours])
        known = len(x) > 0 and len(y) > 0
        below = (np.searchsorted(y, x) + np.searchsorted(y, x, "right")) / 2  # a tie is half
        share = float(below.mean() / len(y)) if known else NAN
        shown = (
            float(x.mean() - y.mean()) if known else NAN,
            float(np.sqrt(variance[-1] + its[-1])) if known and few[-1] > 1 else NAN,
            share if sign > 0 else 1 - share,
        )
        made.append(judged(name, mean - base, few, precision, shown, margin, higher_is_better))
    return made


def _running(values: Floats, which: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats, Floats]:
    """The number, the mean and the variance of those values up to each."""
    n = np.cumsum(which).astype(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.cumsum(values * which) / n
        variance = (np.cumsum(values**2 * which) - n * mean**2) / (n - 1)
    return n, mean, np.asarray(np.maximum(variance, 0.0), np.float64)
