"""Update rules and the courses of their learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import nn, optim
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from mlp.settings.training import RunConfig


@dataclass(frozen=True)
class Rule:
    """An update rule: how it is made of a configuration, and what it remembers."""

    make: Callable[[Iterator[nn.Parameter], RunConfig], Optimizer]
    remembered: int  # numbers kept for each parameter


ADAM = Rule(lambda p, c: optim.Adam(p, c.lr, weight_decay=c.weight_decay, fused=True), 2)
ADAMW = Rule(lambda p, c: optim.AdamW(p, c.lr, weight_decay=c.weight_decay, fused=True), 2)
SGD = Rule(lambda p, c: optim.SGD(p, c.lr, c.momentum, weight_decay=c.weight_decay, fused=True), 1)


def constant(config: RunConfig, optimizer: Optimizer, steps: int) -> None:
    """The rate stays as it is."""


def cosine(config: RunConfig, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The rate falls along half a cosine, to zero after the last step."""
    return CosineAnnealingLR(optimizer, T_max=steps)


def onecycle(config: RunConfig, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The rate rises and falls once (Smith and Topin 2018, arXiv:1708.07120)."""
    # cycle_momentum would change Adam's beta1 and so a second thing at once
    return OneCycleLR(optimizer, max_lr=config.lr, total_steps=steps, cycle_momentum=False)
