"""Compare regularizers: `python -m scripts.ablation --data FOLDER --seeds 5`."""

from mlp.commands.ablation import ablation

__all__ = ["ablation"]

if __name__ == "__main__":
    ablation()
