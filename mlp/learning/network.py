"""The networks: the multilayer perceptron, and a small CNN to compare it with."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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


class Linear(nn.Linear):
    """`nn.Linear` with oneDNN's products where there are any: float32 on an x86 CPU.

    torch multiplies float32 with MKL, which takes nearly twice as long on a batch of 32 (AMD Zen 4;
    benchmarks/README.md). Results agree to rounding.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if _ONEDNN and input.device.type == "cpu" and input.dtype == torch.float32:
            output: torch.Tensor = _OneDnnLinear.apply(  # type: ignore[no-untyped-call]
                input, self.weight, self.bias
            )
            return output
        return super().forward(input)


class _OneDnnLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if of_x else None,
            _product(gradient.t().contiguous(), x.t()) if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


def _product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """x @ weight.t() + bias, on the CPU."""
    out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


_ONEDNN = platform.machine() in ("x86_64", "AMD64") and bool(
    torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
)


class Network(nn.Module):
    """What trains, is kept and served: float32 images (B, C, H, W) in, logits (B, classes) out.

    Weights are not initialized: see `mlp.learning.initialization.initialize`.
    """

    # What a checkpoint needs to build the same network again
    arguments: Mapping[str, Any]
    net: nn.Sequential

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.net(images)
        return logits

    def use_generator(self, generator: torch.Generator) -> None:
        """Draw all dropout masks from `generator`, which lives on the network's device."""
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator


class MLP(Network):
    """Flatten, then Linear, BatchNorm, activation, Dropout for each hidden width, then Linear.

    Takes images with C*H*W = in_features.
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


class CNN(Network):
    """Three times 3x3 convolution, BatchNorm, activation, pooling by 2; the mean over what is left.

    Dropout stands before the last layer. A reference for what an MLP cannot know: that pixels have
    neighbours, and that a pattern may be anywhere. Takes images of any size.
    """

    CHANNELS = (16, 32, 64)

    def __init__(
        self,
        channels: int,
        classes: int,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.arguments = {
            "channels": channels,
            "classes": classes,
            "activation": activation,
            "dropout": dropout,
            "batch_norm": batch_norm,
        }
        layers: list[nn.Module] = []
        for width in self.CHANNELS:
            layers.append(_without_weights(nn.Conv2d, channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers += [ACTIVATIONS[activation](), nn.MaxPool2d(2, ceil_mode=True)]
            channels = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        if dropout > 0.0:
            layers.append(Dropout(dropout))
        self.net = nn.Sequential(*layers, _linear(channels, classes))


NETWORKS: dict[str, type[Network]] = {"mlp": MLP, "cnn": CNN}


def _linear(in_features: int, out_features: int) -> nn.Module:
    return _without_weights(Linear, in_features, out_features)


def _without_weights(kind: type[nn.Module], *sizes: int, **options: int) -> nn.Module:
    """A layer with undefined weights: filling them would draw from torch's global generator."""
    # By itself skip_init allocates on the CPU, under torch.device("meta") too
    device = torch.get_default_device()
    layer: nn.Module = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        kind, *sizes, **options, device=device
    )
    return layer
