"""Update rules and the courses of their learning rate."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from mlp.settings.training import RunConfig


def optimizer(config: RunConfig, network: nn.Module) -> torch.optim.Optimizer:
    """The update rule of a configuration for all parameters of a network."""
    parameters = network.parameters()
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=True,
        )
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def schedule(config: RunConfig, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler | None:
    """How the rate changes after each of `steps` steps, if it does."""
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    if config.schedule == "onecycle":
        # cycle_momentum would change Adam's beta1 and so a second thing at once
        return OneCycleLR(optimizer, max_lr=config.lr, total_steps=steps, cycle_momentum=False)
    return None
