"""Pages made of a template beside this file: one file each, everything foreign escaped."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlp.escaping import html

_FOLDER = Path(__file__).resolve().parent / "templates"


def render(template: str, **values: object) -> str:
    """The text of a page. A name that the template asks for and is not given is an error."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=html,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(**values)
