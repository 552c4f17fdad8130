"""A small convolutional network, to compare perceptrons with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlp.learning.networks.layers import Dropout, linear, without_weights
from mlp.learning.networks.network import Network
from mlp.settings.architecture import ACTIVATIONS


@dataclass(eq=False, repr=False)
class CNN(Network):
    """Three times 3x3 convolution, BatchNorm, activation, pooling by 2; the mean over what is left.

    Dropout stands before the last layer. A reference for what an MLP cannot know: that pixels have
    neighbours, and that a pattern may be anywhere. Takes images of any size.
    """

    CHANNELS: ClassVar = (16, 32, 64)

    channels: int
    classes: int
    activation: str = "relu"
    dropout: float = 0.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = self.channels
        for width in self.CHANNELS:
            layers.append(without_weights(nn.Conv2d, channels, width, 3, padding=1))
            if self.batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers += [ACTIVATIONS[self.activation](), nn.MaxPool2d(2, ceil_mode=True)]
            channels = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        if self.dropout > 0.0:
            layers.append(Dropout(self.dropout))
        self.net = nn.Sequential(*layers, linear(channels, self.classes))
