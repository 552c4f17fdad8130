"""The initializations of linear layers: a name, a formula, where it comes from.

Biases start at zero under all of them but `default`, which is what torch.nn.Linear does when
nobody initializes it, biases included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

UNIFORM_HIGH = 1.0
NORMAL_STD = 0.01
CONSTANT = 0.01

Fill = Callable[[torch.Tensor, torch.Generator], object]


@dataclass(frozen=True)
class Initialization:
    """How weights (out, in) are filled, and the mean and standard deviation that this promises."""

    formula: str
    source: str
    mean: float
    std: Callable[[int, int], float]  # of fan_in, fan_out
    fill: Fill


INITIALIZATIONS: dict[str, Initialization] = {
    "he": Initialization(
        "normal, mean 0, variance 2 / fan_in",
        "He et al. 2015, arXiv:1502.01852",
        0.0,
        lambda fan_in, fan_out: math.sqrt(2 / fan_in),
        lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g),
    ),
    "xavier": Initialization(
        "uniform, mean 0, variance 2 / (fan_in + fan_out)",
        "Glorot and Bengio 2010, AISTATS",
        0.0,
        lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
        lambda w, g: nn.init.xavier_uniform_(w, generator=g),
    ),
    "uniform": Initialization(
        f"uniform between 0 and {UNIFORM_HIGH:g}, whatever the size of the layer",
        "torch.nn.init.uniform_ as it comes",
        UNIFORM_HIGH / 2,
        lambda fan_in, fan_out: UNIFORM_HIGH / math.sqrt(12),
        lambda w, g: nn.init.uniform_(w, 0.0, UNIFORM_HIGH, generator=g),
    ),
    "normal": Initialization(
        f"normal, mean 0, standard deviation {NORMAL_STD:g}, whatever the size of the layer",
        "Krizhevsky et al. 2012, section 5",
        0.0,
        lambda fan_in, fan_out: NORMAL_STD,
        lambda w, g: nn.init.normal_(w, 0.0, NORMAL_STD, generator=g),
    ),
    "constant": Initialization(
        f"all weights {CONSTANT:g}: the units of a layer stay copies of one another",
        "Goodfellow et al. 2016, section 8.4, on breaking symmetry",
        CONSTANT,
        lambda fan_in, fan_out: 0.0,
        lambda w, g: nn.init.constant_(w, CONSTANT),
    ),
    "default": Initialization(
        "uniform, mean 0, variance 1 / (3 fan_in); biases uniform in +-1 / sqrt(fan_in)",
        "torch.nn.Linear.reset_parameters",
        0.0,
        lambda fan_in, fan_out: math.sqrt(1 / (3 * fan_in)),
        lambda w, g: nn.init.kaiming_uniform_(w, a=math.sqrt(5), generator=g),
    ),
}


def initialize(network: nn.Module, name: str, generator: torch.Generator) -> None:
    """Fill the weights and biases of every linear and convolutional layer, in order, on the CPU."""
    scheme = INITIALIZATIONS[name]
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            assert module.bias is not None
            scheme.fill(module.weight, generator)
            if name == "default":
                bound = 1 / math.sqrt(module.weight[0].numel())
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
            else:
                nn.init.zeros_(module.bias)
