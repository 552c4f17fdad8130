"""The MLP-Mixer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from mlp.learning.networks.layers import (
    BatchNormOfPatches,
    MeanOfPatches,
    Patches,
    Residual,
    linear,
    perceptron,
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

    def layers(self) -> Iterator[nn.Module]:
        norm = BatchNormOfPatches if self.batch_norm else nn.LayerNorm
        channels, height, image_width = self.shape
        patches = math.ceil(height / self.patch) * math.ceil(image_width / self.patch)
        *blocks, width = self.hidden
        yield Patches(self.patch)
        yield linear(channels * self.patch**2, width)
        for inner in blocks:
            across = perceptron(patches, 2 * patches, self.activation, self.dropout)
            within = perceptron(width, inner, self.activation, self.dropout)
            yield Residual(norm(width), across, axis=1)
            yield Residual(norm(width), within, axis=2)
        yield norm(width)
        yield MeanOfPatches()
        yield linear(width, self.classes)
