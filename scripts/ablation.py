"""Compare regularizers: `python -m scripts.ablation --data FOLDER --seeds 5`."""

from typing import Any

from scripts.command import command
from scripts.launch import STUDY, launch


@command(*STUDY)
def ablation(*settings: Any) -> None:
    """Train a network with each regularizer, and without any, under the same seeds.

    The other options make the base configuration, to which the regularizers are added.
    """
    launch("regularization", *settings)


if __name__ == "__main__":
    ablation()
