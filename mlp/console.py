"""The only place that prints: answers, and notes beside them."""

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
