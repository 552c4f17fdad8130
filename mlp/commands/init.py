"""Compare initializations."""

from typing import Any

from mlp.commands.command import Answer, command
from mlp.commands.launch import STUDY, launch


@command(*STUDY)
def init(*settings: Any) -> Answer:
    """Train a network from each initialization of its weights, under the same seeds."""
    return launch("initialization", *settings)
