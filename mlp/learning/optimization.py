"""Update rules and the courses of their learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import nn, optim
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from mlp.settings.training import RunConfig

Parameters = Iterator[nn.Parameter]


@dataclass(frozen=True)
class Rule:
    """An update rule: how it is made of a configuration, and what it remembers."""

    make: Callable[[Parameters, RunConfig], Optimizer]
    remembered: int  # numbers kept for each parameter


def _adam(kind: type[optim.Adam]) -> Rule:
    def make(parameters: Parameters, config: RunConfig) -> Optimizer:
        return kind(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)

    return Rule(make, remembered=2)


def _sgd(parameters: Parameters, config: RunConfig) -> Optimizer:
    lr, momentum, decay = config.lr, config.momentum, config.weight_decay
    return optim.SGD(parameters, lr, momentum, weight_decay=decay, fused=True)


ADAM, ADAMW, SGD = _adam(optim.Adam), _adam(optim.AdamW), Rule(_sgd, remembered=1)


def constant(config: RunConfig, optimizer: Optimizer, steps: int) -> None:
    """The rate stays as it is."""


def cosine(config: RunConfig, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The rate falls along half a cosine, to zero after the last step."""
    return CosineAnnealingLR(optimizer, T_max=steps)


def onecycle(config: RunConfig, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The rate rises and falls once (Smith and Topin 2018, arXiv:1708.07120)."""
    # cycle_momentum would change Adam's beta1 and so a second thing at once
    return OneCycleLR(optimizer, max_lr=config.lr, total_steps=steps, cycle_momentum=False)
