"""Report on recorded studies: `python -m scripts.report --study latest --lang es`."""

from mlp.commands.report import report

__all__ = ["report"]

if __name__ == "__main__":
    report()
