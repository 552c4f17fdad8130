"""Compare regularizers."""

from typing import Any

from mlp.commands.command import Answer, command
from mlp.commands.launch import STUDY, launch


@command(*STUDY)
def ablation(*settings: Any) -> Answer:
    """Train a network with each regularizer, and without any, under the same seeds.

    The other options make the base configuration, to which the regularizers are added.
    """
    return launch("regularization", *settings)
