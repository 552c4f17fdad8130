"""JSON documents of commands, held to the tables of docs/programs.md."""

from __future__ import annotations

import json
import re
from typing import Any

from click.testing import Result

from tests.scripts.processes import ROOT

PAGE = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")


def described(title: str, page: str = PAGE) -> dict[str, str]:
    """The rows of the table below a heading of the page: a name, and what is said of it."""
    (part,) = re.findall(rf"^### {title}\n(.*?)(?:^#|\Z)", page, re.S | re.M)
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", part, re.M))


def document(result: Result) -> dict[str, Any]:
    """The one document on standard output, which has the fields that the page names."""
    made: dict[str, Any] = json.loads(result.stdout)
    check(made)
    return made


def check(made: dict[str, Any]) -> None:
    """Hold a document to the page."""
    assert f'"{made["schema"]}"' == described("Every document")["schema"]
    fields = described(made["kind"])
    assert made.keys() == described("Every document").keys() | fields.keys()
    for name, value in made.items():
        # "`seed` and `fold` of each pair": the fields of a part
        named = re.match(r"(`\w+`.*`\w+`) of (each|both|the study)", fields.get(name, ""))
        parts = value if isinstance(value, list | tuple) else [value]
        if named and name != "scores":
            assert all(set(part) == set(re.findall(r"`(\w+)`", named[1])) for part in parts)
    for each in made.get("arms", []) + made.get("effects", []):
        assert each.keys() - {"kind"} == described("comparison").keys()
