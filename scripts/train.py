"""Train one network: `python -m scripts.train --data FOLDER --dropout 0.5`."""

from mlp.commands.train import train

__all__ = ["train"]

if __name__ == "__main__":
    train()
