"""The only place that prints: answers, and notes beside them. And how commands are typed."""

from __future__ import annotations

import sys

from tqdm import tqdm

from mlp.escaping import lines


def out(text: str) -> None:
    """Print an answer, above the bars that move."""
    tqdm.write(lines(text), file=sys.stdout)
    sys.stdout.flush()  # before what follows on the other stream


def err(text: str) -> None:
    """Print a note beside the answer."""
    tqdm.write(lines(text), file=sys.stderr)


def typed(command: str) -> str:
    """A command as a person types it who has started this process: as `mlp`, or in a checkout."""
    started = vars(sys.modules["__main__"]).get("__spec__")
    in_checkout = started is not None and started.name.startswith("scripts.")
    return f"{'python -m scripts.' if in_checkout else 'mlp '}{command}"
