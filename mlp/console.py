"""The only place that prints: answers, notes, and bars that move. And how commands are typed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TextIO

from tqdm import tqdm

from mlp.escaping import lines

_hearers: list[Callable[[str], object]] = []
_language = SimpleNamespace(said=str)


def speak(said: Callable[[str], str]) -> None:
    """Print from now on what a function makes of each English text."""
    _language.said = said


def out(text: str, as_it_is: bool = False) -> None:
    """Print an answer, above the bars that move; `as_it_is`: what is the same in all languages."""
    _tell(text if as_it_is else _language.said(text), sys.stdout)
    sys.stdout.flush()  # before what follows on the other stream


def err(text: str) -> None:
    """Print a note beside the answer."""
    _tell(_language.said(text), sys.stderr)


def _tell(text: str, stream: TextIO) -> None:
    text = lines(text)
    if _hearers:
        _hearers[-1](text)
    else:
        tqdm.write(text, file=stream)


@contextmanager
def told_to(hear: Callable[[str], object]) -> Iterator[None]:
    """Give a function what would be printed, also by other threads, as long as this lasts."""
    _hearers.append(hear)
    try:
        yield
    finally:
        _hearers.remove(hear)


def bar(things: Iterable[Any] | None = None, about: str = "", **options: Any) -> tqdm[Any]:
    """A progress bar in a notebook or on a terminal; elsewhere nothing is drawn."""
    about = _language.said(about)
    options["unit"] = _language.said(options.get("unit", "it"))
    if _in_notebook():
        from tqdm.auto import tqdm as drawn

        return drawn(things, about, **(options | {"leave": False}))
    return tqdm(things, about, disable=None, **options)


def passing(things: Iterable[Any] | None = None, about: str = "", **options: Any) -> tqdm[Any]:
    """A progress bar of something that seldom takes long: it comes late, and goes."""
    return bar(things, about, delay=1, leave=False, **({"unit": ""} | options))


def beside(drawn: tqdm[Any], text: str, **options: Any) -> None:
    """Say something beside a bar."""
    if not drawn.disable:
        drawn.set_postfix_str(_language.said(text), **options)


def _in_notebook() -> bool:
    python = sys.modules.get("IPython")
    return hasattr(python and python.get_ipython(), "kernel")


def typed(command: str) -> str:
    """A command as a person types it who has started this process: as `mlp`, or in a checkout."""
    started = vars(sys.modules["__main__"]).get("__spec__")
    in_checkout = started is not None and started.name.startswith("scripts.")
    return f"{'python -m scripts.' if in_checkout else 'mlp '}{command}"
