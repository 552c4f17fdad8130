"""Compare initializations: `python -m scripts.init --data FOLDER --seeds 5`."""

from mlp.commands.init import init

__all__ = ["init"]

if __name__ == "__main__":
    init()
