"""Measure a model: `python -m scripts.evaluate --model models:/photos@champion --data new`."""

from mlp.commands.evaluate import evaluate

__all__ = ["evaluate"]

if __name__ == "__main__":
    evaluate()
