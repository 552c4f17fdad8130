"""Threads and time that a training takes, by the size of its network."""

from __future__ import annotations

import math

from mlp.learning.networks.building import parameter_count
from mlp.settings.training import Resolved

# Parameters of a network from which on a step is quicker with so many threads (benchmarks)
_THREADS = {2_000_000: 2, 16_000_000: 4}
# About what a core of today does in a second: calls, operations, bytes from memory
_STEP, _OPERATIONS, _BYTES = 5e-4, 5e10, 1e10
_TOUCHED = 28  # bytes that a step reads and writes for each parameter: Adam's seven arrays


def network_parameters(config: Resolved, classes: int) -> int:
    """The trained numbers of a training's network."""
    channels = 1 if config.channels == "gray" else 3
    return parameter_count(config, (channels, config.image_size, config.image_size), classes)


def step_threads(parameters: int) -> int:
    """The threads of a training step of a network: the same on every machine.

    Numbers depend on them to the last bit, and may not depend on how many cores there are.
    """
    return max((n for least, n in _THREADS.items() if parameters >= least), default=1)


def about_seconds(config: Resolved, classes: int, images: int) -> float:
    """About how long a core trains on so many images."""
    count = network_parameters(config, classes)
    step = _STEP + count * (6 * config.batch_size / _OPERATIONS + _TOUCHED / _BYTES)
    return config.epochs * math.ceil(images / config.batch_size) * step
