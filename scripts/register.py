"""Register a study's best model: `python -m scripts.register --study latest --name photos`."""

from mlp.commands.register import register

__all__ = ["register"]

if __name__ == "__main__":
    register()
