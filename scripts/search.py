"""Search for the best settings: `python -m scripts.search --data FOLDER --trials 50`."""

from mlp.commands.search import search

__all__ = ["search"]

if __name__ == "__main__":
    search()
