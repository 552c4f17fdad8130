"""Fonts that have the letters of a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font

from mlp.escaping import line

FONT = Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf").as_posix()  # matplotlib brings it


@cache
def font_with(text: str) -> str | None:
    """The file of a font with all letters of a text, None where this machine has none."""
    wanted = {ord(char) for char in text if unicodedata.category(char) not in ("Mn", "Cf")}
    return next((file for file in _files() if wanted <= _letters(file)), None)


def named(name: str, label: int) -> str:
    """The name of a class, or its number where this machine has no font with its letters."""
    shown = line(name)
    return shown if shown.isascii() or font_with(shown) else f"class {label + 1}"


def families(texts: Iterable[str]) -> list[str]:
    """The families of fonts with the letters of some texts, as far as there are any."""
    files = dict.fromkeys([FONT, *filter(None, map(font_with, texts))])
    return [FT2Font(file).family_name for file in files]


def _files() -> Iterator[str]:
    yield FONT
    # It looks through the machine's fonts, which few names need
    from matplotlib.font_manager import fontManager

    for font in sorted(fontManager.ttflist, key=lambda font: font.fname):
        # The last resort has a box for every letter
        if (font.style, font.weight) == ("normal", 400) and "Last Resort" not in font.name:
            yield font.fname


@cache
def _letters(file: str) -> frozenset[int]:
    return frozenset(FT2Font(file).get_charmap())
