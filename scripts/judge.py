"""Judge runs that exist: `python -m scripts.judge --experiment NAME --arm params.optimizer`."""

from mlp.commands.judge import judge

__all__ = ["judge"]

if __name__ == "__main__":
    judge()
