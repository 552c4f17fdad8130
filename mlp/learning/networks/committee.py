"""Several networks of one kind as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import nn

from mlp.learning.networks.network import Network
from mlp.learning.views import mean_answer
from mlp.settings.architecture import NETWORKS


class Committee(Network):
    """Networks of one kind that differ in their weights alone, trained beside one another.

    Its answer is the mean of their probabilities (a deep ensemble: Lakshminarayanan et al. 2017,
    arXiv:1612.01474).
    """

    def __init__(self, members: int, kind: str, member: Mapping[str, Any]) -> None:
        """`kind` is a name in NETWORKS, `member` the arguments of each."""
        super().__init__()
        self.kind, self.member = kind, member
        self.members = nn.ModuleList(NETWORKS[kind](**member) for _ in range(members))

    @property
    def arguments(self) -> dict[str, Any]:
        return {"members": len(self.members), "kind": self.kind, "member": self.member}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logarithms of the mean probabilities: (B, classes)."""
        return mean_answer([member(images) for member in self.members])

    def votes(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of each member, one after another: (members * B, classes)."""
        return torch.cat([member(images) for member in self.members])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The members' last hidden layers, side by side."""
        every = cast(Iterable[Network], self.members)
        return torch.cat([member.features(images) for member in every], dim=1)
