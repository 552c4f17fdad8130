"""The parts of a page: texts, tables and pictures, as plain text, as Markdown and as HTML."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from mlp.escaping import line as one_line
from mlp.escaping import markdown as _escape
from mlp.report.drawing import png, svg

Cell = str | tuple[str, ...]  # a text, or one with lines in small below it


class Raw(str):
    """Markdown that is not escaped."""


def escaped(text: str) -> str:
    """A text in Markdown."""
    return text if isinstance(text, Raw) else _escape(text)


@dataclass(frozen=True)
class Text:
    """Lines, of which the first `strong` ones are emphasized.

    `kind`: a style of templates/page.html.j2. `where`: of terminal, markdown, page.
    """

    lines: Sequence[str]
    kind: str = ""
    where: Collection[str] = ("page",)
    strong: int = 0
    title: str = ""
    shape = "text"

    def text(self) -> str:
        """As plain text."""
        return "\n".join(map(one_line, self.lines))

    def markdown(self, links: bool) -> str:
        """As Markdown."""
        lines = [escaped(each) for each in self.lines]
        if self.kind == "list":
            return "\n".join(f"- {each}" for each in lines)
        if self.kind == "remarks":
            return "\n".join(f"> {each}\n>" for each in lines)
        strong = [f"**{each}**  " for each in lines[: self.strong]]
        return "\n\n".join("\n".join(part) for part in (strong, lines[self.strong :]) if part)


@dataclass(frozen=True)
class Grid:
    """A table; `left` columns stand to the left. `marked`: verdicts by text of a cell."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: int = 1
    where: Collection[str] = ("terminal", "markdown", "page")
    marked: Mapping[str, str] = field(default_factory=dict)
    shape = "grid"

    def text(self) -> str:
        """In columns, below a rule."""
        head, *body = lines = [[one_line(cell) for cell in row] for row in self._table]
        widths = [max(len(line[k]) for line in lines) for k in range(len(head))]

        def write(line: Sequence[str]) -> str:
            cells = [
                cell.ljust(width) if k < self.left else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            return "  ".join(cells).rstrip()

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([write(head), rule, *map(write, body)])

    def markdown(self, links: bool = True) -> str:
        """As Markdown; without `links`, the columns of raw Markdown are left out."""
        raw = [isinstance(cell, Raw) for cell in (self.rows or self._table)[0]]
        shown = [k for k, is_raw in enumerate(raw) if links or not is_raw]
        head, *body = [[escaped(row[k]) for k in shown] for row in self._table]
        marks = ["---" if k < self.left or raw[k] else "---:" for k in shown]
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *body))

    @property
    def _table(self) -> list[list[str]]:
        every = (self.headings, *self.rows)
        return [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in every]


@dataclass(frozen=True)
class Terms:
    """Questions, each with its answer."""

    pairs: Sequence[tuple[str, str]]
    where: Collection[str] = ("page",)
    shape = "terms"


@dataclass(frozen=True)
class Picture:
    """A figure, or the bytes of a PNG, by the name of its file."""

    name: str
    content: Figure | bytes
    caption: str = ""
    narrow: bool = False
    where: Collection[str] = ("page",)
    shape = "picture"

    @cached_property
    def png(self) -> bytes:
        """As a file."""
        return self.content if isinstance(self.content, bytes) else png(self.content)

    @property
    def image(self) -> Markup:
        """As a part of any page: without ids or a style that others could have as well."""
        return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(
            self.caption, base64.b64encode(self.png).decode()
        )

    @property
    def drawing(self) -> Markup:
        """As a part of a page of its own."""
        return Markup(svg(self.content)) if isinstance(self.content, Figure) else self.image


@dataclass(frozen=True)
class Gallery:
    """A text above thumbnails: path, what is said of it, and a JPEG in base64 or nothing."""

    text: str
    pictures: Sequence[tuple[str, str, str]]
    where: Collection[str] = ("page",)
    shape = "gallery"


@dataclass(frozen=True)
class Explorer:
    """Any two of several arms side by side, from `data`; without scripts the `galleries` of two."""

    data: Mapping[str, Any]
    galleries: Sequence[Gallery]
    labels: Mapping[str, str]
    measures: Sequence[tuple[str, str]]
    where: Collection[str] = ("page",)
    shape = "explorer"

    def numbered(self, what: str) -> list[tuple[int, str]]:
        """The choices of arms, or of classes, in their order."""
        return list(enumerate(self.data[what]))


@dataclass(frozen=True)
class Section:
    """Something that a page says, and the files that hold its numbers."""

    heading: str
    blocks: Sequence[Text | Grid | Terms | Picture | Gallery | Explorer]
    files: Mapping[str, str] = field(default_factory=dict)
    folded: bool = False
