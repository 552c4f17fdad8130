"""The MLP-Mixer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from mlp.learning.networks.layers import (
    AcrossPatches,
    BatchNormOfPatches,
    MeanOfPatches,
    Patches,
    Perceptron,
    Residual,
    linear,
)
from mlp.learning.networks.network import Network


@dataclass(eq=False, repr=False)
class Mixer(Network):
    """MLP-Mixer (Tolstikhin et al. 2021, arXiv:2105.01601): an MLP that cuts images into patches.

    Each patch becomes `hidden[-1]` numbers by the same Linear. Each other entry of `hidden` is a
    block of two residual perceptrons: one that mixes patches, the same for all numbers, with twice
    as many hidden units as there are patches, and one with that many hidden units that mixes the
    numbers of a patch, the same for all patches. Then LayerNorm, the mean over patches, Linear.
    With `batch_norm`, batch norm stands wherever LayerNorm does.
    """

    shape: Sequence[int]  # (C, H, W) of an image
    patch: int  # side of a patch in pixels
    hidden: Sequence[int]
    classes: int
    activation: str = "relu"
    dropout: float = 0.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        norm = BatchNormOfPatches if self.batch_norm else nn.LayerNorm
        channels, height, image_width = self.shape
        patches = math.ceil(height / self.patch) * math.ceil(image_width / self.patch)
        *blocks, width = self.hidden
        layers: list[nn.Module] = [Patches(self.patch), linear(channels * self.patch**2, width)]
        for inner in blocks:
            across = Perceptron(patches, 2 * patches, self.activation, self.dropout)
            within = Perceptron(width, inner, self.activation, self.dropout)
            layers += [AcrossPatches(norm(width), across), Residual(norm(width), within)]
        self.net = nn.Sequential(*layers, norm(width), MeanOfPatches(), linear(width, self.classes))
