"""The style of a report's figures, and their form as files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure

from mlp.evidence.comparison import Verdict
from mlp.fonts import families

# Inches: what fits a printed page, and what is still legible across a phone
WIDTH, NARROW = 7.0, 5.0
BLUE, GRAY = "#0b5cad", "#6b7280"
# Legible as letters on white, and told apart whatever colours somebody sees
VERDICTS: Mapping[Verdict, str] = {
    "better": "#08458a",
    "slightly better": "#2b7cc4",
    "equal": "#1b1f24",
    "slightly worse": "#b86500",
    "worse": "#922b05",
    "undecided": GRAY,
}
_STYLE = {"font.size": 9, "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False}


@contextmanager
def style(names: Iterable[str] = ()) -> Iterator[None]:
    """The style of all figures, which are made within, with fonts for the letters of some names."""
    fonts = {"font.family": families(names)}
    with matplotlib.rc_context(_STYLE | fonts):  # type: ignore[arg-type]
        yield


def png(figure: Figure) -> bytes:
    """A figure as a picture file."""
    buffer = io.BytesIO()
    with _without_warnings():
        figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """A figure as a drawing to stand inside a page."""
    buffer = io.StringIO()
    # Without the salt, ids and with them the file would differ from one call to the next
    with matplotlib.rc_context({"svg.hashsalt": "mlp"}), _without_warnings():
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """A letter that the font lacks, such as an emoji, is drawn as a box without a word."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
