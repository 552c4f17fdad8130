"""The networks: multilayer perceptrons of two kinds, and a small CNN to compare them with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from mlp.learning.layers import (
    ACTIVATIONS,
    AcrossPatches,
    BatchNormOfPatches,
    Dropout,
    MeanOfPatches,
    Patches,
    Perceptron,
    Residual,
    linear,
    without_weights,
)
from mlp.learning.views import VIEWS, mean_answer


class Network(nn.Module):
    """What trains, is kept and served: float32 images (B, C, H, W) in, logits (B, classes) out.

    Weights are not initialized: see `mlp.learning.initialization.initialize`.
    """

    # What a checkpoint needs to build the same network again
    arguments: Mapping[str, Any]
    net: nn.Sequential
    tta = "none"  # a name in VIEWS

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.net(images)
        return logits

    def answers(self, images: torch.Tensor) -> torch.Tensor:
        """The logits that a trained network is asked for: those of all its views of an image."""
        return mean_answer([self(view) for view in VIEWS[self.tta](images)])

    def votes(self, images: torch.Tensor) -> torch.Tensor:
        """What training compares with the labels: logits, of several networks one after another."""
        return self(images)  # type: ignore[no-any-return]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the last hidden layer makes of images: (B, width)."""
        made: torch.Tensor = self.net[:-1](images)
        return made

    def use_generator(self, generator: torch.Generator) -> None:
        """Draw all dropout masks from `generator`, which lives on the network's device."""
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator


class MLP(Network):
    """Flatten, then Linear, BatchNorm, activation, Dropout for each hidden width, then Linear.

    Takes images with C*H*W = in_features.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        classes: int,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.arguments = {
            "in_features": in_features,
            "hidden": list(hidden),
            "classes": classes,
            "activation": activation,
            "dropout": dropout,
            "batch_norm": batch_norm,
        }
        layers: list[nn.Module] = [nn.Flatten()]
        width = in_features
        for next_width in hidden:
            layers.append(linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0.0:
                layers.append(Dropout(dropout))
            width = next_width
        layers.append(linear(width, classes))
        self.net = nn.Sequential(*layers)


class CNN(Network):
    """Three times 3x3 convolution, BatchNorm, activation, pooling by 2; the mean over what is left.

    Dropout stands before the last layer. A reference for what an MLP cannot know: that pixels have
    neighbours, and that a pattern may be anywhere. Takes images of any size.
    """

    CHANNELS = (16, 32, 64)

    def __init__(
        self,
        channels: int,
        classes: int,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.arguments = {
            "channels": channels,
            "classes": classes,
            "activation": activation,
            "dropout": dropout,
            "batch_norm": batch_norm,
        }
        layers: list[nn.Module] = []
        for width in self.CHANNELS:
            layers.append(without_weights(nn.Conv2d, channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers += [ACTIVATIONS[activation](), nn.MaxPool2d(2, ceil_mode=True)]
            channels = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        if dropout > 0.0:
            layers.append(Dropout(dropout))
        self.net = nn.Sequential(*layers, linear(channels, classes))


class Mixer(Network):
    """MLP-Mixer (Tolstikhin et al. 2021, arXiv:2105.01601): an MLP that cuts images into patches.

    Each patch becomes `hidden[-1]` numbers by the same Linear. Each other entry of `hidden` is a
    block of two residual perceptrons: one that mixes patches, the same for all numbers, with twice
    as many hidden units as there are patches, and one with that many hidden units that mixes the
    numbers of a patch, the same for all patches. Then LayerNorm, the mean over patches, Linear.
    With `batch_norm`, batch norm stands wherever LayerNorm does.
    """

    def __init__(
        self,
        shape: Sequence[int],
        patch: int,
        hidden: Sequence[int],
        classes: int,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        """`shape` is (C, H, W) of an image, `patch` the side of a patch in pixels."""
        super().__init__()
        self.arguments = {
            "shape": list(shape),
            "patch": patch,
            "hidden": list(hidden),
            "classes": classes,
            "activation": activation,
            "dropout": dropout,
            "batch_norm": batch_norm,
        }
        norm = BatchNormOfPatches if batch_norm else nn.LayerNorm
        channels, height, image_width = shape
        patches = math.ceil(height / patch) * math.ceil(image_width / patch)
        *blocks, width = hidden
        layers: list[nn.Module] = [Patches(patch), linear(channels * patch**2, width)]
        for inner in blocks:
            across = Perceptron(patches, 2 * patches, activation, dropout)
            layers += [
                AcrossPatches(norm(width), across),
                Residual(norm(width), Perceptron(width, inner, activation, dropout)),
            ]
        self.net = nn.Sequential(*layers, norm(width), MeanOfPatches(), linear(width, classes))


class Committee(Network):
    """Networks of one kind that differ in their weights alone, trained beside one another.

    Its answer is the mean of their probabilities (a deep ensemble: Lakshminarayanan et al. 2017,
    arXiv:1612.01474).
    """

    def __init__(self, members: int, kind: str, member: Mapping[str, Any]) -> None:
        """`kind` is a name in NETWORKS, `member` the arguments of each."""
        super().__init__()
        self.arguments = {"members": members, "kind": kind, "member": member}
        self.members = nn.ModuleList(NETWORKS[kind](**member) for _ in range(members))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logarithms of the mean probabilities: (B, classes)."""
        return mean_answer([member(images) for member in self.members])

    def votes(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of each member, one after another: (members * B, classes)."""
        return torch.cat([member(images) for member in self.members])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the members' last hidden layers make of images, side by side."""
        every = cast(Iterable[Network], self.members)
        return torch.cat([member.features(images) for member in every], dim=1)


NETWORKS: dict[str, type[Network]] = {
    "mlp": MLP,
    "mixer": Mixer,
    "cnn": CNN,
    "committee": Committee,
}
