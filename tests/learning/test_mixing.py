"""Mixup against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from mlp.learning.mixing import Mixed, mix


def batch(count: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, 5, 7, generator=torch.Generator().manual_seed(0))


def mixed(images: torch.Tensor, alpha: float, rng: np.random.Generator) -> Mixed:
    """Each image is its own label, so that a partner can be known again."""
    return mix(images, torch.arange(len(images)), alpha, rng)


def test_a_mixture_is_the_weighted_mean_of_image_and_partner() -> None:
    images = batch()
    for seed in range(20):
        made = mixed(images, 0.4, np.random.default_rng(seed))
        assert made.labels.tolist() == sorted(made.others.tolist()) == list(range(16))
        expected = made.share * images + (1 - made.share) * images[made.others]
        torch.testing.assert_close(made.images, expected)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_are_beta(alpha: float) -> None:
    rng, images = np.random.default_rng(0), batch(2)
    shares = [mixed(images, alpha, rng).share for _ in range(1000)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-4
    assert stats.kstest(shares, stats.beta(2 * alpha, 2 * alpha).cdf).pvalue < 1e-4


def test_without_alpha_a_batch_stays_as_it_is() -> None:
    images, rng = batch(), np.random.default_rng(0)
    made = mixed(images, 0.0, rng)
    assert made.images is images and made.share == 1.0
    assert rng.random() == np.random.default_rng(0).random()


def test_it_leaves_the_batch_alone_and_depends_on_its_generator_only() -> None:
    images = batch()
    before = images.clone()
    one, other = (mixed(images, 0.5, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.images, other.images) and one.share == other.share
    assert torch.equal(images, before)
