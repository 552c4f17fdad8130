"""Freed memory: kept for the next tensor."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Steps of a layer whose gradient has more than 32 MiB
STEPS = """
import resource, sys, torch
from mlp.learning.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
layer, images = torch.nn.Linear(9000, 1000), torch.ones(2, 9000)
for step in range(40):
    if step == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    layer.zero_grad()
    layer(images).sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", STEPS, mode], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_memory_of_a_gradient_serves_the_next_one() -> None:
    assert 4 * faults("keep") < faults("leave")
