"""Sections as one text: for a terminal, in Markdown, or as a page in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mlp.escaping import html
from mlp.report.blocks import Explorer, Grid, Picture, Section, Text
from mlp.report.drawing import VERDICTS

DESCRIPTION = 7800  # characters that MLflow shows of a description, with room for a first line
_FOLDER = Path(__file__).resolve().parent / "templates"


def terminal(sections: Sequence[Section]) -> str:
    """Sections as a terminal shows them."""
    return "\n\n".join(block.text() for block in _blocks(sections, "terminal"))


def markdown(sections: Sequence[Section], links: bool = True) -> str:
    """Sections as a description shows them, with or without links to each run."""
    return "\n\n".join(block.markdown(links) for block in _blocks(sections, "markdown"))


def _blocks(sections: Sequence[Section], where: str) -> list[Text | Grid]:
    every = [block for section in sections for block in section.blocks if where in block.where]
    return [block for block in every if isinstance(block, Text | Grid)]


def pictures(sections: Sequence[Section]) -> list[Picture]:
    """The pictures of sections."""
    every = [block for section in sections for block in section.blocks]
    return [block for block in every if isinstance(block, Picture)]


def page(
    lang: str,
    title: str,
    setting: str,
    sections: Sequence[Section],
    origin: Mapping[str, str] | None = None,
    whole: bool = True,
) -> str:
    """One HTML file with its pictures inside; or, if not `whole`, a part of somebody's page.

    `origin`: what it can be made again from.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=html,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    template = environment.get_template("page.html.j2" if whole else "inline.html.j2")
    scripts = []
    if any(isinstance(block, Explorer) for section in sections for block in section.blocks):
        scripts = [_script("vega.js"), _script("explorer.js")]
    return template.render(
        lang=lang,
        title=title,
        setting=setting,
        sections=sections,
        verdicts=VERDICTS,
        origin=origin or {},
        scripts=scripts,
        whole=whole,
    )


def _script(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))
