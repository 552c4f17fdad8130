"""Update rules and the courses of their learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from mlp.settings.training import RunConfig


@dataclass(frozen=True)
class Rule:
    """An update rule: how it is made of a configuration, and what it remembers."""

    make: Callable[[Iterator[nn.Parameter], RunConfig], Optimizer]
    remembered: int  # numbers kept for each parameter


class Fused(Optimizer):
    """One of torch's fused updates, called directly.

    torch's own optimizers do the same to the last bit. What they do around it takes longer than the
    update of a small network (benchmarks/README.md), and imports torch's compiler.
    """

    # Without the decorator that keeps the compiler away
    add_param_group = Optimizer.add_param_group.__wrapped__  # type: ignore[attr-defined]

    def __init__(self, parameters: Iterator[nn.Parameter], lr: float, buffers: int) -> None:
        """`buffers`: zeros, of the shape of a parameter, that the update remembers for each."""
        super().__init__(parameters, {"lr": lr})
        self._parameters: list[torch.Tensor] = self.param_groups[0]["params"]
        self._buffers = [[torch.zeros_like(p) for p in self._parameters] for _ in range(buffers)]
        for number, parameter in enumerate(self._parameters):
            own = [buffer[number] for buffer in self._buffers]
            self.state[parameter] = dict(zip(map(str, range(buffers)), own, strict=True))

    def update(self, gradients: list[torch.Tensor], lr: float) -> None:
        """Change the parameters in place by their gradients."""
        raise NotImplementedError

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters; one that a step did not use has a gradient of zero."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        self.update(gradients, self.param_groups[0]["lr"])

    step.hooked = True  # type: ignore[attr-defined]  # or torch would time each

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None


class FusedAdam(Fused):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980); AdamW with `decoupled` decay of weights."""

    def __init__(
        self, parameters: Iterator[nn.Parameter], config: RunConfig, decoupled: bool = False
    ) -> None:
        super().__init__(parameters, config.lr, buffers=2)
        self._update: Any = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._decay = config.weight_decay
        self._counts = [torch.zeros((), device=p.device) for p in self._parameters]

    def update(self, gradients: list[torch.Tensor], lr: float) -> None:
        torch._foreach_add_(self._counts, 1)
        self._update(
            self._parameters, gradients, *self._buffers, [], self._counts,
            lr=lr, beta1=0.9, beta2=0.999, weight_decay=self._decay, eps=1e-8,
            amsgrad=False, maximize=False,
        )  # fmt: skip


class FusedSGD(Fused):
    """Stochastic gradient descent, with momentum."""

    def __init__(self, parameters: Iterator[nn.Parameter], config: RunConfig) -> None:
        super().__init__(parameters, config.lr, buffers=1 if config.momentum else 0)
        self._momentum, self._decay = config.momentum, config.weight_decay

    def update(self, gradients: list[torch.Tensor], lr: float) -> None:
        torch._fused_sgd_(
            self._parameters, gradients, *(self._buffers or [[]]),
            weight_decay=self._decay, momentum=self._momentum, lr=lr, dampening=0.0,
            nesterov=False, maximize=False, is_first_step=False,  # buffers are zeros then
        )  # fmt: skip


ADAM = Rule(FusedAdam, 2)
ADAMW = Rule(partial(FusedAdam, decoupled=True), 2)
SGD = Rule(FusedSGD, 1)


def constant(config: RunConfig, optimizer: Optimizer, steps: int) -> None:
    """The rate stays as it is."""


def cosine(config: RunConfig, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The rate falls along half a cosine, to zero after the last step."""
    return CosineAnnealingLR(optimizer, T_max=steps)


def onecycle(config: RunConfig, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The rate rises and falls once (Smith and Topin 2018, arXiv:1708.07120)."""
    # cycle_momentum would change Adam's beta1 and so a second thing at once
    return OneCycleLR(optimizer, max_lr=config.lr, total_steps=steps, cycle_momentum=False)
