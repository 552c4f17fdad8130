"""The update rules, bit for bit as torch's own optimizers."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from mlp.settings.training import OPTIMIZERS, SCHEDULES, RunConfig

ROOT = Path(__file__).parents[2]
LR, DECAY = 0.01, 0.02
Make = Callable[[list[nn.Parameter]], optim.Optimizer]
RULES: list[tuple[dict[str, object], Make]] = [
    ({"optimizer": "adam"}, lambda p: optim.Adam(p, LR, weight_decay=DECAY, fused=True)),
    ({"optimizer": "adamw"}, lambda p: optim.AdamW(p, LR, weight_decay=DECAY, fused=True)),
    (
        {"optimizer": "sgd", "momentum": 0.0},
        lambda p: optim.SGD(p, LR, weight_decay=DECAY, fused=True),
    ),
    (
        {"optimizer": "sgd", "momentum": 0.9},
        lambda p: optim.SGD(p, LR, 0.9, weight_decay=DECAY, fused=True),
    ),
]


@pytest.mark.parametrize("schedule", ["none", "onecycle"])
@pytest.mark.parametrize(("changes", "make"), RULES)
def test_rules_are_those_of_torch_to_the_last_bit(
    changes: dict[str, object], make: Make, schedule: str
) -> None:
    steps = 12
    config = RunConfig.parse({"lr": LR, "weight_decay": DECAY, "schedule": schedule, **changes})
    generator = torch.Generator().manual_seed(0)
    ours = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 4))
    theirs = copy.deepcopy(ours)
    own = OPTIMIZERS[config.optimizer].make(ours.parameters(), config)
    other = make(list(theirs.parameters()))
    rates = [SCHEDULES[schedule](config, own, steps)]
    if schedule == "onecycle":
        rates.append(OneCycleLR(other, LR, total_steps=steps, cycle_momentum=False))
    for _ in range(steps):
        images = torch.randn(16, 20, generator=generator)
        labels = torch.randint(0, 4, (16,), generator=generator)
        for network, optimizer in ((ours, own), (theirs, other)):
            optimizer.zero_grad()
            F.cross_entropy(network(images), labels).backward()
            optimizer.step()
        for rate in rates:
            if rate is not None:
                rate.step()
        for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, two)


TRAINED = """
import sys
import torch
from mlp.settings.training import OPTIMIZERS, RunConfig
layer = torch.nn.Linear(2, 2)
optimizer = OPTIMIZERS["adam"].make(layer.parameters(), RunConfig())
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()
print("torch._dynamo" in sys.modules)
"""


def test_no_step_waits_for_torchs_compiler_to_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAINED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
