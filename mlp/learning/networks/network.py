"""The base of all networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from mlp.learning.networks.layers import Dropout
from mlp.learning.views import mean_answer
from mlp.settings.architecture import VIEWS


@dataclass(eq=False, repr=False, kw_only=True)
class Network(nn.Module):
    """Float32 images (B, C, H, W) in, logits (B, classes) out: trained, kept and served.

    Each kind of network is a dataclass whose fields are the arguments it is made from. Weights are
    not initialized: see `mlp.learning.initialization.initialize`.
    """

    tta = "none"  # a name in VIEWS
    source = ""  # the file that a network of a user's own is made from
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

    def drawing(self) -> AbstractContextManager[None]:
        """A context for all that may draw random numbers, which leaves torch's own as they are."""
        return nullcontext()
