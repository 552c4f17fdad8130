"""The only place that prints: answers, and notes beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

from tqdm import tqdm

from mlp.escaping import lines

_language = SimpleNamespace(said=str)


def speak(said: Callable[[str], str]) -> None:
    """Print from now on what a function makes of each English text."""
    _language.said = said


def out(text: str) -> None:
    """Print an answer, above the bars that move."""
    tqdm.write(lines(_language.said(text)), file=sys.stdout)
    sys.stdout.flush()  # before what follows on the other stream


def err(text: str) -> None:
    """Print a note beside the answer."""
    tqdm.write(lines(_language.said(text)), file=sys.stderr)
