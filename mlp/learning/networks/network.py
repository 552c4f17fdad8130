"""The base of all networks, and several of one kind as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import nn

from mlp.learning.networks.layers import Dropout
from mlp.learning.views import mean_answer
from mlp.settings.architecture import NETWORKS, VIEWS


@dataclass(eq=False, repr=False, kw_only=True)
class Network(nn.Module):
    """Float32 images (B, C, H, W) in, logits (B, classes) out: trained, kept and served.

    Each kind of network is a dataclass whose fields are the arguments it is made from. Weights are
    not initialized: see `mlp.learning.initialization.initialize`.
    """

    tta = "none"  # a name in VIEWS
    activation: str = "relu"  # a name in ACTIVATIONS
    dropout: float = 0.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(*self.layers())

    def layers(self) -> Iterator[nn.Module]:
        """The layers, one after another; the last one gives the logits."""
        raise NotImplementedError

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments from which the same network can be built again, as JSON gives them back."""
        given = asdict(self).items()
        return {name: list(v) if isinstance(v, tuple) else v for name, v in given}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.net(images)
        return logits

    def answers(self, images: torch.Tensor) -> torch.Tensor:
        """The logits that a trained network is asked for: those of all its views of an image."""
        return mean_answer([self(view) for view in VIEWS[self.tta](images)])

    def votes(self, images: torch.Tensor) -> torch.Tensor:
        """The logits to compare with the labels; of several networks, one after another."""
        return self(images)  # type: ignore[no-any-return]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The last hidden layer: (B, width)."""
        made: torch.Tensor = self.net[:-1](images)
        return made

    def use_generator(self, generator: torch.Generator) -> None:
        """Draw all dropout masks from `generator`, which lives on the network's device."""
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator


class Committee(Network):
    """Networks of one kind that differ in their weights alone, trained beside one another.

    Its answer is the mean of their probabilities (a deep ensemble: Lakshminarayanan et al. 2017,
    arXiv:1612.01474).
    """

    def __init__(self, members: int, kind: str, member: Mapping[str, Any]) -> None:
        """`kind` is a name in NETWORKS, `member` the arguments of each."""
        nn.Module.__init__(self)
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
