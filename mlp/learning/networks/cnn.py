"""A small convolutional network, to compare perceptrons with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from mlp.learning.networks.layers import Dropout, activated, linear, without_weights
from mlp.learning.networks.network import Network


@dataclass(eq=False, repr=False)
class CNN(Network):
    """Three times 3x3 convolution, BatchNorm, activation, pooling by 2; the mean over what is left.

    Dropout stands before the last layer. A reference for what an MLP cannot know: that pixels have
    neighbours, and that a pattern may be anywhere. Takes images of any size.
    """

    channels: int
    classes: int

    def layers(self) -> Iterator[nn.Module]:
        channels = self.channels
        for width in (16, 32, 64):
            convolution = without_weights(nn.Conv2d, channels, width, 3, padding=1)
            norm = nn.BatchNorm2d(width) if self.batch_norm else None
            yield from activated(convolution, self.activation, norm)
            yield nn.MaxPool2d(2, ceil_mode=True)
            channels = width
        yield nn.AdaptiveAvgPool2d(1)
        yield nn.Flatten()
        if self.dropout > 0.0:
            yield Dropout(self.dropout)
        yield linear(channels, self.classes)
