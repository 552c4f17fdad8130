"""The names of what a network is made of, and where each of them is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlp.tables import Table

if TYPE_CHECKING:
    import torch

    from mlp.learning.networks.network import Network

# `mlp.learning.networks.building` gives a network its arguments, by their names
NETWORKS: Table[type[Network]] = Table(
    "network",
    {
        "mlp": "mlp.learning.networks.mlp:MLP",
        "mixer": "mlp.learning.networks.mixer:Mixer",
        "cnn": "mlp.learning.networks.cnn:CNN",
    },
)
ACTIVATIONS: Table[Callable[[], torch.nn.Module]] = Table(
    "activation",
    {
        "relu": "torch.nn:ReLU",
        "tanh": "torch.nn:Tanh",
        "sigmoid": "torch.nn:Sigmoid",
        "gelu": "torch.nn:GELU",
        "leaky_relu": "torch.nn:LeakyReLU",
    },
)
# Of images (B, C, H, W), each as many again; dihedral is all eight ways to lay down a square
VIEWS: Table[Callable[[torch.Tensor], list[torch.Tensor]]] = Table(
    "test-time augmentation",
    {
        "none": "mlp.learning.views:alone",
        "hflip": "mlp.learning.views:hflip",
        "flips": "mlp.learning.views:flips",
        "dihedral": "mlp.learning.views:dihedral",
    },
)
