"""Look at data before believing in numbers: `python -m scripts.audit --data FOLDER`."""

from mlp.commands.audit import audit

__all__ = ["audit"]

if __name__ == "__main__":
    audit()
