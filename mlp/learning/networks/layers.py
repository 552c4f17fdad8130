"""The layers that networks are made of."""

from __future__ import annotations

import math
import platform
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from mlp.settings.architecture import ACTIVATIONS

_MANY = 2**16  # values from which on masks are drawn the quick way


class Dropout(nn.Module):
    """Zero each value with probability p while training, and scale the others by 1 / (1 - p).

    As torch.nn.Dropout (Srivastava et al. 2014, "inverted"), but with a generator of its own, so
    that a network's masks do not depend on what else draws random numbers in the process.
    """

    generator: torch.Generator | None = None  # torch's

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0.0:
            return x
        return x * self._mask(x).div_(1.0 - self.p)

    def _mask(self, x: torch.Tensor) -> torch.Tensor:
        """A one for each value to be kept, a zero for each other one."""
        if x.device.type != "cpu" or x.numel() < _MANY:
            return torch.empty_like(x).bernoulli_(1.0 - self.p, generator=self.generator)
        # Of one random number four decisions, each by 16 bits: a third of the time
        # (benchmarks/README.md), and p to 1 in 65536
        numbers = torch.empty(math.ceil(x.numel() / 4), dtype=torch.int64)
        numbers.random_(-(2**63), None, generator=self.generator)
        bits = numbers.view(torch.int16)[: x.numel()].view(x.shape)
        return (bits >= min(round(self.p * 2**16), 2**16 - 1) - 2**15).to(x.dtype)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Linear(nn.Linear):
    """`nn.Linear` with oneDNN's products where there are any: float32 on an x86 CPU.

    torch multiplies float32 with MKL, which takes nearly twice as long on a batch of 32 (AMD Zen 4;
    benchmarks/README.md). Results agree to rounding. Patches of images, (B, patches, C), are left
    to torch: there are so many rows that there is nothing to gain.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        fits = input.ndim == 2 and input.dtype == torch.float32
        if _ONEDNN and fits and input.device.type == "cpu":
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


def linear(in_features: int, out_features: int) -> nn.Module:
    """A linear layer with undefined weights."""
    return without_weights(Linear, in_features, out_features)


def without_weights(kind: type[nn.Module], *sizes: int, **options: int) -> nn.Module:
    """A layer with undefined weights: filling them would draw from torch's global generator."""
    layer: nn.Module = kind(*sizes, **options, device="meta")
    # As nn.utils.skip_init, which imports sympy on the way: 0.8 s of each start
    for name, parameter in layer.named_parameters():
        setattr(layer, name, nn.Parameter(torch.empty(parameter.shape)))
    return layer


class Patches(nn.Module):
    """Images (B, C, H, W) cut into squares: (B, squares, C * side * side), row by row.

    Where H or W is no multiple of the side, zeros, the mean colour, are added below and right.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[2:]
        images = F.pad(images, (0, -width % self.side, 0, -height % self.side))
        return F.unfold(images, self.side, stride=self.side).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"side={self.side}"


def activated(
    layer: nn.Module, activation: str, norm: nn.Module | None = None, dropout: float = 0.0
) -> list[nn.Module]:
    """A layer, its norm, its activation, and `Dropout` where its probability is not 0."""
    after = [Dropout(dropout)] if dropout > 0.0 else []
    return [layer, *([norm] if norm else []), ACTIVATIONS[activation](), *after]


def perceptron(width: int, inner: int, activation: str, dropout: float) -> nn.Sequential:
    """One hidden layer, back to as many numbers as came in: Linear, activation, Dropout, Linear."""
    hidden = activated(linear(width, inner), activation, dropout=dropout)
    return nn.Sequential(*hidden, linear(inner, width))


class Residual(nn.Module):
    """x + f(norm(x)), f along an axis of x (B, patches, width) (He et al. 2016, arXiv:1603.05027).

    norm is along the width, whatever the axis of f, which is a `perceptron`.
    """

    def __init__(self, norm: nn.Module, perceptron: nn.Module, axis: int) -> None:
        super().__init__()
        self.norm, self.perceptron, self.axis = norm, perceptron, axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = self.perceptron(self.norm(x).transpose(self.axis, 2))
        return x + changed.transpose(self.axis, 2)


class BatchNormOfPatches(nn.BatchNorm1d):
    """Batch norm of (B, patches, width): over images and patches, each of the width by itself."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.flatten(0, 1)).view_as(input)


class MeanOfPatches(nn.Module):
    """(B, patches, width) to (B, width)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1)
