"""The ways in which a trained network looks at an image before it answers."""

from __future__ import annotations

import math

import torch

Views = list[torch.Tensor]


def alone(images: torch.Tensor) -> Views:
    """The images as they are."""
    return [images]


def hflip(images: torch.Tensor) -> Views:
    """These and their mirror images."""
    return [images, images.flip(3)]


def flips(images: torch.Tensor) -> Views:
    """These, flipped left to right, top to bottom, and both."""
    return [*hflip(images), *hflip(images.flip(2))]


def dihedral(images: torch.Tensor) -> Views:
    """All flips of these and of their transposes."""
    return [*flips(images), *flips(images.transpose(2, 3))]


def mean_answer(logits: list[torch.Tensor]) -> torch.Tensor:
    """The logarithms (B, K) of the mean probabilities of several answers (B, K) each."""
    if len(logits) == 1:
        return logits[0]
    each = torch.stack(logits).log_softmax(dim=2)
    return each.logsumexp(dim=0) - math.log(len(logits))
