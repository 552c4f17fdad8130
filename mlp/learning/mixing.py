"""Training on mixtures of two images (mixup), and what their loss is."""

from __future__ import annotations

from collections.abc import Callable
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

    def mean(self, measure: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """A measure of labels (B,), as the mean over both labels by their shares."""
        if self.share == 1.0:
            return measure(self.labels)
        return self.share * measure(self.labels) + (1.0 - self.share) * measure(self.others)


def mix(
    images: torch.Tensor, labels: torch.Tensor, alpha: float, rng: np.random.Generator
) -> Mixed:
    """Mix a batch with itself in another order, by one share drawn from Beta(alpha, alpha).

    An image becomes share * image + (1 - share) * partner: mixup, Zhang et al. 2018
    (arXiv:1710.09412). With alpha 0 the batch stays as it is.
    """
    if not alpha:
        return Mixed(images, labels, labels, 1.0)
    partners = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    share = float(rng.beta(alpha, alpha))
    mixed = torch.lerp(images[partners], images, share)
    return Mixed(mixed, labels, labels[partners], share)


def cross_entropy(
    votes: torch.Tensor,
    mixed: Mixed,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean cross-entropy over images and members; of a mixture, of both labels by their shares."""

    def against(labels: torch.Tensor) -> torch.Tensor:
        if len(votes) > len(labels):
            labels = labels.repeat(len(votes) // len(labels))
        return F.cross_entropy(votes, labels, weights, label_smoothing=smoothing)

    return mixed.mean(against)


def correct_answers(votes: torch.Tensor, mixed: Mixed) -> torch.Tensor:
    """Count the right answers of all members together; a mixture counts by its shares."""
    answers = votes.argmax(1).view(-1, len(mixed.labels))
    return mixed.mean(lambda labels: (answers == labels).sum())
