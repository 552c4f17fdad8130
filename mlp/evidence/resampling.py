"""Resampled validation images: what a bootstrap over examples needs.

A resample is a row of weights: how often each image was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
# How many weights are held at once; a bound on memory, not on what is computed
_BLOCK = 2**22


def draws(images: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """Weights of bootstrap resamples of so many images: blocks (r, N), rows that sum to N.

    The same for the same arguments: that is what pairs two arms. R rows in all.
    """
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // images)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(0, images, (rows, images)) + np.arange(rows)[:, None] * images
        counts = np.bincount(drawn.ravel(), minlength=rows * images)
        yield counts.reshape(rows, images).astype(np.float32)
