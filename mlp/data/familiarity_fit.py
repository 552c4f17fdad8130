"""Fit the likeness of images to those of a training, and how far out one may lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from mlp.data.familiarity import Familiarity, numbers_of

FALSE_ALARMS = 0.01
_SAMPLE = 4000  # images that are enough for two hundred numbers


def fit_familiarity(
    pixels: NDArray[np.uint8], train: NDArray[np.int64], held_out: NDArray[np.int64]
) -> Familiarity:
    """From rows of decoded images (N, H, W, C); `held_out` ones, not trained on, set the threshold.

    Of many, evenly spaced ones stand for all.
    """
    numbers = numbers_of(pixels[row] for row in _sample(train))
    centre = numbers.mean(axis=0)
    # A number that never varies, as the corner of all digits, is told from another value by a
    # thousandth of the range
    scale = np.maximum(numbers.std(axis=0), 1e-3)
    precision = LedoitWolf().fit((numbers - centre) / scale).precision_
    fitted = Familiarity(centre, scale, precision, np.inf)
    known = fitted.distance(pixels[row] for row in _sample(held_out))
    return replace(fitted, threshold=float(np.quantile(known, 1 - FALSE_ALARMS)))


def _sample(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[:: -(-len(rows) // _SAMPLE)]
