"""Independent random generators, all derived from the one integer seed of a run."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Purpose = Literal[
    "split", "order", "augmentation", "initialization", "dropout", "search", "mixing",
    "construction",
]  # fmt: skip


def seed_sequence(seed: int, purpose: Purpose, *counters: int) -> np.random.SeedSequence:
    """The child of `seed` for a purpose and, where it takes them, counters such as the epoch.

    Equal to the k-th child that `SeedSequence(seed)` spawns for the k-th purpose, and to that
    child's own for the counters: a function of the arguments alone, so that any epoch can be made
    at any time.
    """
    return np.random.SeedSequence(seed, spawn_key=(get_args(Purpose).index(purpose), *counters))


def generator(seed: int, purpose: Purpose, *counters: int) -> np.random.Generator:
    """A NumPy generator for a purpose."""
    return np.random.default_rng(seed_sequence(seed, purpose, *counters))


def integer(seed: int, purpose: Purpose, *counters: int) -> int:
    """A 32-bit seed for libraries that take an integer (torch, Albumentations, scikit-learn)."""
    return int(seed_sequence(seed, purpose, *counters).generate_state(1, np.uint32)[0])
