"""The network of a configuration."""

from __future__ import annotations

import inspect
import math

import torch

from mlp.learning.networks.network import Committee, Network
from mlp.settings.architecture import NETWORKS
from mlp.settings.training import RunConfig


def takes(network: str) -> tuple[str, ...]:
    """The names of the arguments of a kind of network."""
    return tuple(inspect.signature(NETWORKS[network]).parameters)


def build_network(config: RunConfig, shape: tuple[int, int, int], classes: int) -> Network:
    """The network of a configuration for images (C, H, W), not initialized.

    Its arguments are `classes`, `shape`, `channels` and `in_features` of the images, and settings.
    """
    known = config.model_dump() | {
        "shape": shape, "channels": shape[0], "in_features": math.prod(shape), "classes": classes,
    }  # fmt: skip
    network = NETWORKS[config.network](**{name: known[name] for name in takes(config.network)})
    if config.members > 1:
        network = Committee(config.members, config.network, network.arguments)
    network.tta = config.tta
    return network


def parameter_count(config: RunConfig, shape: tuple[int, int, int], classes: int) -> int:
    """Trained numbers in the network of a configuration, which is not made."""
    with torch.device("meta"):
        return sum(p.numel() for p in build_network(config, shape, classes).parameters())
