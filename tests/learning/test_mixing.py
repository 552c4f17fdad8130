"""Mixup and cutmix against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from mlp.learning.mixing import mix


def batch(count: int = 16, height: int = 12, width: int = 20) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_mixup_is_the_weighted_mean_of_image_and_partner() -> None:
    images = batch()
    for seed in range(20):
        mixed = mix(images, torch.arange(len(images)), 0.4, 0.0, rng(seed))
        assert sorted(mixed.others.tolist()) == list(range(16))
        expected = mixed.share * images + (1 - mixed.share) * images[mixed.others]
        torch.testing.assert_close(mixed.images, expected)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_of_mixup_are_beta(alpha: float) -> None:
    random, images = rng(), batch(2, 1, 1)
    shares = [mix(images, torch.arange(len(images)), alpha, 0.0, random).share for _ in range(1000)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-4
    assert stats.kstest(shares, stats.beta(2 * alpha, 2 * alpha).cdf).pvalue < 1e-4


def test_cutmix_lays_a_rectangle_of_the_partner_over_the_image() -> None:
    images, random = batch(), rng()
    sizes = set()
    for _ in range(50):
        mixed = mix(images, torch.arange(len(images)), 0.0, 1.0, random)
        moved = mixed.others != torch.arange(16)
        changed = (mixed.images != images).any(1)[moved]
        from_partner = (mixed.images == images[mixed.others]).all(1)[moved]
        assert torch.equal(changed, from_partner)  # pixels differ all from one another
        assert (changed == changed[0]).all()
        rows, columns = changed[0].any(1).nonzero(), changed[0].any(0).nonzero()
        area = int(changed[0].sum())
        if area:
            height, width = (int(m[-1] - m[0]) + 1 for m in (rows, columns))
            assert area == height * width
            sizes.add((height, width))
        assert mixed.share == pytest.approx(1 - area / (12 * 20))
    assert len(sizes) > 20


def test_a_rectangle_that_the_border_does_not_cut_has_the_area_and_shape_that_was_drawn() -> None:
    """Its sides are sqrt(1 - share) of those of the image."""
    images, random, whole = batch(2, 100, 200), rng(), 0
    for _ in range(200):
        drawn = np.random.Generator(type(random.bit_generator)())
        drawn.bit_generator.state = random.bit_generator.state
        drawn.permutation(2)
        share = drawn.beta(1.0, 1.0)
        mixed = mix(images, torch.arange(len(images)), 0.0, 1.0, random)
        side = np.sqrt(1 - share)
        if mixed.share == pytest.approx(share, abs=0.02):
            whole += 1
        else:  # the border has taken some of it
            assert mixed.share > share
        assert (1 - mixed.share) * 100 * 200 <= (100 * side) * (200 * side) + 1e-9
    assert whole > 30


def test_with_both_a_coin_decides() -> None:
    images, random = batch(4, 8, 8), rng()
    cut = 0
    for _ in range(400):
        mixed = mix(images, torch.arange(len(images)), 1.0, 1.0, random)
        moved = mixed.others != torch.arange(4)
        same = (mixed.images == images).all(1) | (mixed.images == images[mixed.others]).all(1)
        cut += bool(same[moved].all()) if moved.any() else 0
    assert 0.4 < cut / 400 < 0.6


def test_it_leaves_the_batch_alone_and_depends_on_its_generator_only() -> None:
    images = batch()
    before = images.clone()
    for both in ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        one, other = (
            mix(images, torch.arange(len(images)), *both, rng(3)),
            mix(images, torch.arange(len(images)), *both, rng(3)),
        )
        assert torch.equal(one.images, other.images) and one.share == other.share
        assert torch.equal(images, before)
