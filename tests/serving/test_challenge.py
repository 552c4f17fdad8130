"""Two models on the same images: the difference, its interval, and who wins."""

from __future__ import annotations

import numpy as np
import pytest

from mlp.predictions import Evaluation
from mlp.serving.evaluation import compare, interval


def answers(right: np.ndarray) -> Evaluation:
    labels = np.arange(len(right)) % 3
    said = np.where(right, labels, (labels + 1) % 3)
    shares = np.full((len(right), 3), 0.1) + 0.7 * np.eye(3)[said]
    ids = np.array([f"{k:04d}.png" for k in range(len(right))])
    return Evaluation(ids, labels, shares, ("a", "b", "c"))


def test_a_model_against_itself_is_even_to_about_two_images() -> None:
    """As of two arms that no image tells apart."""
    one = answers(np.random.default_rng(0).random(100) < 0.7)
    challenge = compare(one, one, "accuracy")
    assert challenge.difference == 0 and not challenge.won
    assert challenge.high == -challenge.low == pytest.approx(2.08 / 100, abs=0.001)


def test_the_interval_is_that_of_paired_differences() -> None:
    rng = np.random.default_rng(0)
    shared = rng.random(400) < 0.7
    better = shared | (rng.random(400) < 0.2)  # never wrong where the other is right
    challenge = compare(answers(better), answers(shared), "accuracy")
    each = better.astype(float) - shared
    assert challenge.difference == pytest.approx(each.mean()) and challenge.images == 400
    error = each.std() / np.sqrt(400)
    assert challenge.low == pytest.approx(each.mean() - 1.96 * error, abs=0.2 * error)
    assert challenge.high == pytest.approx(each.mean() + 1.96 * error, abs=0.2 * error)
    assert challenge.won and not compare(answers(shared), answers(better), "accuracy").won


def test_where_less_is_better_the_lower_wins() -> None:
    good, bad = answers(np.ones(60, bool)), answers(np.arange(60) % 2 == 0)
    assert compare(good, bad, "log_loss").won and not compare(bad, good, "log_loss").won
    assert compare(good, bad, "log_loss").difference < 0


def test_equal_models_seldom_beat_each_other() -> None:
    """Two models that are right independently of each other: a win is an error of one in forty."""
    won = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        one, other = (answers(rng.random(150) < 0.7) for _ in range(2))
        won += compare(one, other, "accuracy").won
    assert won / 300 < 0.06


def test_a_score_has_the_interval_of_a_binomial() -> None:
    low, high = interval(answers(np.arange(200) < 150), "accuracy")
    half = 1.96 * np.sqrt(0.75 * 0.25 / 200)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.012)
