"""Generators derived from a seed: equal to NumPy's spawning, and independent of one another."""

from __future__ import annotations

from itertools import combinations
from typing import get_args

import numpy as np
import pytest

from mlp import seeds

PURPOSES = get_args(seeds.Purpose)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_purpose_is_the_spawned_child_of_the_seed(seed: int) -> None:
    for child, purpose in zip(
        np.random.SeedSequence(seed).spawn(len(PURPOSES)), PURPOSES, strict=True
    ):
        expected = child.generate_state(8)
        np.testing.assert_array_equal(
            seeds.seed_sequence(seed, purpose).generate_state(8), expected
        )
        assert seeds.integer(seed, purpose) == expected[0]
        drawn = seeds.generator(seed, purpose).random(4)
        np.testing.assert_array_equal(drawn, np.random.default_rng(child).random(4))


def test_counter_is_the_child_of_the_purpose() -> None:
    order = np.random.SeedSequence(3).spawn(2)[1]
    for epoch, child in enumerate(order.spawn(3)):
        np.testing.assert_array_equal(
            seeds.seed_sequence(3, "order", epoch).generate_state(8), child.generate_state(8)
        )


def test_purposes_seeds_and_epochs_are_independent() -> None:
    names = [(seed, purpose, *c) for seed in (0, 1) for purpose in PURPOSES for c in ((), (0,))]
    drawn = [seeds.generator(*name).standard_normal(10_000) for name in names]
    for a, b in combinations(drawn, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.05  # five standard errors
    assert len({seeds.integer(*name) for name in names}) == len(names)
