"""Compare initializations: `python -m scripts.init --data FOLDER --seeds 5`."""

from typing import Any

from scripts.command import command
from scripts.launch import STUDY, launch


@command(*STUDY)
def init(*settings: Any) -> None:
    """Train a network from each initialization of its weights, under the same seeds."""
    launch("initialization", *settings)


if __name__ == "__main__":
    init()
