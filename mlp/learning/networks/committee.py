"""Several networks of one kind as one, and networks made again from their kind and arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import nn

from mlp.learning.networks.network import Network
from mlp.learning.networks.own import OwnNetwork
from mlp.learning.views import mean_answer
from mlp.settings.architecture import NETWORKS

# Kinds that are no choice of their own: `members` makes the one, a file and a class the other
_COMMITTEE, OWN = "committee", "own"


class Committee(Network):
    """Networks of one kind that differ in their weights alone, trained beside one another.

    Its answer is the mean of their probabilities (a deep ensemble: Lakshminarayanan et al. 2017,
    arXiv:1612.01474).
    """

    def __init__(self, members: Iterable[Network]) -> None:
        nn.Module.__init__(self)
        self.members = nn.ModuleList(members)
        self.source = self.every[0].source

    @property
    def every(self) -> list[Network]:
        """The members."""
        return cast(list[Network], list(self.members))

    @property
    def arguments(self) -> dict[str, Any]:
        first = self.every[0]
        return {"members": len(self.members), "kind": kind_of(first), "member": first.arguments}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logarithms of the mean probabilities: (B, classes)."""
        return mean_answer([member(images) for member in self.members])

    def votes(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of each member, one after another: (members * B, classes)."""
        return torch.cat([member(images) for member in self.members])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The members' last hidden layers, side by side."""
        return torch.cat([member.features(images) for member in self.every], dim=1)

    def use_generator(self, generator: torch.Generator) -> None:
        for member in self.every:
            member.use_generator(generator)

    def drawing(self) -> AbstractContextManager[None]:
        return self.every[0].drawing()  # of the generator that all share


def make(kind: str, arguments: Mapping[str, Any], source: str = "") -> Network:
    """The network of a kind with these arguments; `source`: the file of one of a user's own."""
    if kind == _COMMITTEE:
        each = arguments["kind"], arguments["member"], source
        return Committee(make(*each) for _ in range(arguments["members"]))
    if kind == OWN:
        return OwnNetwork(source=source, **arguments)
    return NETWORKS[kind](**arguments)


def kind_of(network: Network) -> str:
    """The kind from which `make` makes the same network again."""
    if isinstance(network, Committee):
        return _COMMITTEE
    if isinstance(network, OwnNetwork):
        return OWN
    return next(name for name, kind in NETWORKS.items() if type(network) is kind)
