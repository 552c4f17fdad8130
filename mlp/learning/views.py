"""The ways in which a trained network looks at an image before it answers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

Views = list[torch.Tensor]


def _hflip(images: torch.Tensor) -> Views:
    return [images, images.flip(3)]


def _flips(images: torch.Tensor) -> Views:
    return [*_hflip(images), *_hflip(images.flip(2))]


def _dihedral(images: torch.Tensor) -> Views:
    return [*_flips(images), *_flips(images.transpose(2, 3))]


# Of images (B, C, H, W), each as many again; dihedral is all eight ways to lay down a square
VIEWS: dict[str, Callable[[torch.Tensor], Views]] = {
    "none": lambda images: [images],
    "hflip": _hflip,
    "flips": _flips,
    "dihedral": _dihedral,
}


def mean_answer(logits: list[torch.Tensor]) -> torch.Tensor:
    """The logarithms (B, K) of the mean probabilities of several answers (B, K) each."""
    if len(logits) == 1:
        return logits[0]
    each = torch.stack(logits).log_softmax(dim=2)
    return each.logsumexp(dim=0) - math.log(len(logits))
