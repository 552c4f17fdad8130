"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
}


class Dropout(nn.Module):
    """Zero each value with probability p while training, and scale the others by 1 / (1 - p).

    As torch.nn.Dropout (Srivastava et al. 2014, "inverted"), but with a generator of its own, so
    that a network's masks do not depend on what else draws random numbers in the process.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0.0:
            return x
        keep = 1.0 - self.p
        return x * torch.empty_like(x).bernoulli_(keep, generator=self.generator).div_(keep)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class MLP(nn.Module):
    """Flatten, then Linear, BatchNorm, activation, Dropout for each hidden width, then Linear.

    Takes float32 images (B, C, H, W) with C*H*W = in_features, gives logits (B, classes).
    Weights are not initialized: see `mlp.learning.initialization.initialize`.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        classes: int,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        # What a checkpoint needs to build the same network again
        self.arguments = {
            "in_features": in_features,
            "hidden": list(hidden),
            "classes": classes,
            "activation": activation,
            "dropout": dropout,
            "batch_norm": batch_norm,
        }
        layers: list[nn.Module] = [nn.Flatten()]
        width = in_features
        for next_width in hidden:
            layers.append(_linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0.0:
                layers.append(Dropout(dropout))
            width = next_width
        layers.append(_linear(width, classes))
        self.net = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.net(images)
        return logits

    def use_generator(self, generator: torch.Generator) -> None:
        """Draw all dropout masks from `generator`, which lives on the network's device."""
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator


def _linear(in_features: int, out_features: int) -> nn.Linear:
    """A layer with undefined weights: filling them would draw from torch's global generator."""
    # By itself skip_init allocates on the CPU, under torch.device("meta") too
    device = torch.get_default_device()
    layer: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, in_features, out_features, device=device
    )
    return layer
