"""Run any suite: `python -m scripts.study --suite activation --data FOLDER`."""

from mlp.commands.compare import compare as study

__all__ = ["study"]

if __name__ == "__main__":
    study()
