"""The names of the ways to train a network, and where each of them is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlp.tables import Table

if TYPE_CHECKING:
    import torch
    from torch.optim.lr_scheduler import LRScheduler

    from mlp.learning.initialization import Initialization
    from mlp.learning.optimization import Rule
    from mlp.settings.training import RunConfig

OPTIMIZERS: Table[Rule] = Table(
    "optimizer",
    {
        "adam": "mlp.learning.optimization:ADAM",
        "adamw": "mlp.learning.optimization:ADAMW",
        "sgd": "mlp.learning.optimization:SGD",
    },
)
# Of so many steps
SCHEDULES: Table[Callable[[RunConfig, torch.optim.Optimizer, int], LRScheduler | None]] = Table(
    "schedule",
    {
        "none": "mlp.learning.optimization:constant",
        "cosine": "mlp.learning.optimization:cosine",
        "onecycle": "mlp.learning.optimization:onecycle",
    },
)
INITIALIZATIONS: Table[Initialization] = Table(
    "initialization",
    {
        "he": "mlp.learning.initialization:HE",
        "xavier": "mlp.learning.initialization:XAVIER",
        "uniform": "mlp.learning.initialization:UNIFORM",
        "normal": "mlp.learning.initialization:NORMAL",
        "constant": "mlp.learning.initialization:CONSTANT",
        "default": "mlp.learning.initialization:DEFAULT",
    },
)
