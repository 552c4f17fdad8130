"""Run any suite: `python -m scripts.compare --suite activation --data FOLDER`."""

from mlp.commands.compare import compare

__all__ = ["compare"]

if __name__ == "__main__":
    compare()
