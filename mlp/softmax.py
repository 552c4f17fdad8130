"""From a network's logits to probabilities, in double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The logarithms of the probabilities (N, K), by SciPy's steps: a served model needs no SciPy.

    Logits of a network that diverged may be infinite, or no numbers: then so is their row.
    """
    largest = logits.astype(np.float64).max(axis=1, keepdims=True)
    moved = logits - np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        return np.asarray(moved - np.log(np.exp(moved).sum(axis=1, keepdims=True)))


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probabilities of the classes (N, K)."""
    return np.asarray(np.exp(log_softmax(logits)))
