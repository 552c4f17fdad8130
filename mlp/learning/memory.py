"""The memory that a training needs, and that the C library keeps for it."""

from __future__ import annotations

import ctypes
import math
import platform

import psutil
import torch

from mlp.learning.networks.building import parameter_count, takes
from mlp.processes import free_memory
from mlp.settings.base import field_text
from mlp.settings.training import OPTIMIZERS, Resolved, RunConfig

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h> of glibc
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next tensor instead of giving it back to the system.

    Each step makes new gradients. Left alone, glibc gives large ones back (all above 32 MiB, others
    now and then), and the system hands out zeroed pages again, 4 KiB at a time: a step then takes
    up to twice as long (benchmarks/README.md). Nothing is done, and False given, with any other C
    library. See mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, _MOST) and mallopt(_MMAP_THRESHOLD, _MOST))


def most_memory(device: str) -> int:
    """Bytes that a training can have on a device at most.

    What this process holds counts: freed memory is kept for the next tensor, and is not free.
    """
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
    return free_memory() + int(psutil.Process().memory_info().rss)


def memory_bytes(config: RunConfig, shape: tuple[int, int, int], classes: int) -> int:
    """About how much memory a learner holds: parameters, gradients, optimizer state, best copy."""
    copies = 2 + OPTIMIZERS[config.optimizer].remembered + (config.early_stopping_patience > 0)
    return 4 * parameter_count(config, shape, classes) * copies


def shortage(config: Resolved, shape: tuple[int, int, int], classes: int, images: int) -> str:
    """The reason why a training on so many images does not fit into memory, or ""."""
    batch = 4 * math.prod(shape) * min(config.batch_size, images)
    needed = memory_bytes(config, shape, classes) + batch
    free = most_memory(config.device)
    if needed <= free:
        return ""
    return (
        f"not enough memory: {sizes(config)} take at least {needed / 2**30:.1f} GiB (weights, "
        f"gradients, optimizer, a batch), and {free / 2**30:.1f} GiB are there; make one of them "
        "smaller"
    )


def sizes(config: Resolved) -> str:
    """The settings that decide how much memory a training takes, for people."""
    network = f"hidden {field_text(config.hidden)}, " if "hidden" in takes(config.network) else ""
    return f"{network}batch_size {config.batch_size} and image_size {config.image_size}"
