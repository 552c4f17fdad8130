"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from mlp.learning.networks.layers import activated, linear
from mlp.learning.networks.network import Network


@dataclass(eq=False, repr=False)
class MLP(Network):
    """Flatten, then Linear, BatchNorm, activation, Dropout for each hidden width, then Linear.

    Takes images with C*H*W = in_features.
    """

    in_features: int
    hidden: Sequence[int]
    classes: int

    def layers(self) -> Iterator[nn.Module]:
        yield nn.Flatten()
        width = self.in_features
        for next_width in self.hidden:
            norm = nn.BatchNorm1d(next_width) if self.batch_norm else None
            yield from activated(linear(width, next_width), self.activation, norm, self.dropout)
            width = next_width
        yield linear(width, self.classes)
