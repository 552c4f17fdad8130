"""The initializations of linear and convolutional layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from mlp.settings.training import INITIALIZATIONS, OWN_INIT


@dataclass(frozen=True)
class Initialization:
    """A way to fill weights (out, in), and the mean and standard deviation that it promises."""

    mean: float
    std: Callable[[int, int], float]  # of fan_in, fan_out
    fill: Callable[..., object]  # given weights, and `generator`
    bias: float = 0.0  # biases are uniform within ± this / sqrt(fan_in)


# Normal, variance 2 / fan_in: He et al. 2015, arXiv:1502.01852, as torch does it for a ReLU
HE = Initialization(0.0, lambda fan_in, fan_out: math.sqrt(2 / fan_in), nn.init.kaiming_normal_)
# Uniform, variance 2 / (fan_in + fan_out): Glorot and Bengio 2010, AISTATS
XAVIER = Initialization(
    0.0, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)), nn.init.xavier_uniform_
)
# Between 0 and 1 whatever the size of the layer: torch.nn.init.uniform_ as it comes
UNIFORM = Initialization(0.5, lambda fan_in, fan_out: 1 / math.sqrt(12), nn.init.uniform_)
# Standard deviation 0.01 whatever the size of the layer: Krizhevsky et al. 2012, section 5
NORMAL = Initialization(0.0, lambda fan_in, fan_out: 0.01, partial(nn.init.normal_, std=0.01))
# All equal, so that the units of a layer stay copies of one another: what breaking symmetry is for,
# Goodfellow et al. 2016, section 8.4
CONSTANT = Initialization(
    0.01, lambda fan_in, fan_out: 0.0, lambda weights, generator: nn.init.constant_(weights, 0.01)
)
# Uniform, variance 1 / (3 fan_in), biases within 1 / sqrt(fan_in): torch.nn.Linear.reset_parameters
DEFAULT = Initialization(
    0.0,
    lambda fan_in, fan_out: math.sqrt(1 / (3 * fan_in)),
    partial(nn.init.kaiming_uniform_, a=math.sqrt(5)),
    bias=1.0,
)


def initialize(network: nn.Module, name: str, generator: torch.Generator) -> None:
    """Fill the weights and biases of every linear and convolutional layer, in order, on the CPU.

    With OWN_INIT they stay as the network's constructor has left them.
    """
    if name == OWN_INIT:
        return
    scheme = INITIALIZATIONS[name]
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            scheme.fill(module.weight, generator=generator)
            if module.bias is None:
                continue
            bound = scheme.bias / math.sqrt(module.weight[0].numel())
            if bound:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
            else:
                nn.init.zeros_(module.bias)
