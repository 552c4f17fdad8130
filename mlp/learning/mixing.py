"""Training on mixtures of two images, mixup and cutmix, and what their loss is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Mixed:
    """Images (B, C, H, W): `share` of each is of its label, the rest of its partner's label."""

    images: torch.Tensor
    labels: torch.Tensor  # int64 (B,)
    others: torch.Tensor  # int64 (B,)
    share: float


def mix(
    images: torch.Tensor,
    labels: torch.Tensor,
    mixup: float,
    cutmix: float,
    rng: np.random.Generator,
) -> Mixed:
    """Mix a batch with itself in another order, by one share drawn from Beta(alpha, alpha).

    `mixup` is the alpha of Zhang et al. 2018 (arXiv:1710.09412): share * image + (1 - share) *
    partner. `cutmix` is that of Yun et al. 2019 (arXiv:1905.04899): a rectangle of the partner, of
    1 - share of the area before the image's border cuts it, is laid over the image; the share is
    what remains of it. With both, each batch has one of them, by the toss of a coin; with neither,
    it stays as it is.
    """
    if not mixup and not cutmix:
        return Mixed(images, labels, labels, 1.0)
    partners = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    cuts = bool(rng.random() < 0.5) if mixup and cutmix else bool(cutmix)
    alpha = cutmix if cuts else mixup
    share = float(rng.beta(alpha, alpha))
    if not cuts:
        mixed = torch.lerp(images[partners], images, share)
        return Mixed(mixed, labels, labels[partners], share)
    height, width = images.shape[2:]
    top, bottom = _cut(height, share, rng)
    left, right = _cut(width, share, rng)
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    share = 1.0 - (bottom - top) * (right - left) / (height * width)
    return Mixed(mixed, labels, labels[partners], share)


def _cut(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """A stretch of sqrt(1 - share) of a length around a point of it, without what sticks out."""
    half = int(length * math.sqrt(1.0 - share)) // 2
    middle = int(rng.integers(length))
    return max(0, middle - half), min(length, middle + half)


def cross_entropy(
    votes: torch.Tensor,
    mixed: Mixed,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean cross-entropy over images and members; of a mixture, of both labels by their shares."""

    def against(labels: torch.Tensor) -> torch.Tensor:
        labels = labels.repeat(len(votes) // len(labels))
        return F.cross_entropy(votes, labels, weights, label_smoothing=smoothing)

    if mixed.share == 1.0:
        return against(mixed.labels)
    return mixed.share * against(mixed.labels) + (1.0 - mixed.share) * against(mixed.others)


def correct_answers(votes: torch.Tensor, mixed: Mixed) -> torch.Tensor:
    """How many images are classified rightly, a mean over members, a mixture by its shares."""
    answers = votes.argmax(1).view(-1, len(mixed.labels))
    right = (answers == mixed.labels).sum(dtype=torch.float64)
    if mixed.share < 1.0:
        right = right.lerp((answers == mixed.others).sum(dtype=torch.float64), 1.0 - mixed.share)
    return right / len(answers)
