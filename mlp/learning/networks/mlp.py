"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from mlp.learning.networks.layers import Dropout, linear
from mlp.learning.networks.network import Network
from mlp.settings.architecture import ACTIVATIONS


@dataclass(eq=False, repr=False)
class MLP(Network):
    """Flatten, then Linear, BatchNorm, activation, Dropout for each hidden width, then Linear.

    Takes images with C*H*W = in_features.
    """

    in_features: int
    hidden: Sequence[int]
    classes: int
    activation: str = "relu"
    dropout: float = 0.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = self.in_features
        for next_width in self.hidden:
            layers.append(linear(width, next_width))
            if self.batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(ACTIVATIONS[self.activation]())
            if self.dropout > 0.0:
                layers.append(Dropout(self.dropout))
            width = next_width
        self.net = nn.Sequential(*layers, linear(width, self.classes))
