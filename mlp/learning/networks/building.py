"""The network of a configuration."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch

from mlp import seeds
from mlp.learning.networks.committee import OWN, Committee, make
from mlp.learning.networks.examination import examined
from mlp.learning.networks.network import Network
from mlp.learning.networks.own import drawing_from
from mlp.settings.architecture import NETWORKS
from mlp.settings.own_network import file_and_class, keywords
from mlp.settings.training import Resolved, RunConfig


def takes(network: str) -> tuple[str, ...]:
    """The names of the arguments of a kind of network; none for a class of a user's own."""
    own = file_and_class(network) is not None
    return () if own else tuple(inspect.signature(NETWORKS[network]).parameters)


def build_network(config: RunConfig, shape: tuple[int, int, int], classes: int) -> Network:
    """The network of a configuration for images (C, H, W), not initialized.

    Its arguments are `classes`, `shape`, `channels` and `in_features` of the images, and settings.
    One of a user's own gets `shape`, `classes` and its settings, and brings weights of its own.
    """
    known: dict[str, Any] = config.model_dump() | {
        "shape": shape, "channels": shape[0], "in_features": math.prod(shape), "classes": classes,
    }  # fmt: skip
    if own := file_and_class(config.network):
        settings = keywords(config.network_settings)
        arguments = {"name": own[1], "shape": shape, "classes": classes, "settings": settings}
        made_of = OWN, arguments, known["network_source"]
    else:
        made_of = config.network, {name: known[name] for name in takes(config.network)}, ""
    drawn = torch.Generator().manual_seed(seeds.integer(config.seed, "construction"))
    with drawing_from([(torch.default_generator, drawn)]):
        networks = [make(*made_of) for _ in range(config.members)]
    network = Committee(networks) if config.members > 1 else networks[0]
    network.tta = config.tta
    return network


def parameter_count(config: RunConfig, shape: tuple[int, int, int], classes: int) -> int:
    """Trained numbers in the network of a configuration, which is not made.

    Raises NetworkError for a class of a user's own that does not do what a training needs.
    """
    if file_and_class(config.network):
        assert isinstance(config, Resolved), "the file of a network is read by `resolve`"
        about = shape, classes, config.network_settings, min(config.batch_size, 2)
        return config.members * examined(config.network, config.network_source, *about)
    with torch.device("meta"):
        return sum(p.numel() for p in build_network(config, shape, classes).parameters())
