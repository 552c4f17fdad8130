"""The modules of this package that a module needs, found by reading its import statements.

And their code: what is left of them without what is written for people.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
# A row of a table names what it stands for: "mlp.learning.optimizers:adam"
_REFERENCE = re.compile(r"(mlp(?:\.\w+)+):\w+")


def needed(modules: Iterable[str], root: Path = ROOT) -> dict[str, Path]:
    """The files of these modules and of all they import, by name in sorted order.

    Imports within functions count, those for type checkers alone do not. `root` is the folder of
    the package. Raises ImportError for a module that is not there.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _file(name, root)
        if path is None:
            raise ImportError(f"there is no module {name} in {root}")
        found[name] = path
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        for other in _read(path.read_bytes())[0]:
            # `from mlp.a import b` may name a module or something in one
            is_module = _file(other, root) is not None
            waiting.append(other if is_module else other.rpartition(".")[0])
    return dict(sorted(found.items()))


def code(path: Path) -> str:
    """The code of a module without comments, docstrings, descriptions of settings, announcements.

    It is the same wherever these are reworded or lines are broken otherwise.
    """
    return _read(path.read_bytes())[1]


@cache
def _read(content: bytes) -> tuple[frozenset[str], str]:
    tree = _WithoutTexts().visit(ast.parse(content))
    names = {name for node in ast.walk(tree) for name in _imported(node)}
    return frozenset(n for n in names if n == "mlp" or n.startswith("mlp.")), ast.unparse(tree)


class _WithoutTexts(ast.NodeTransformer):
    """Takes out what is written for people and for type checkers."""

    def visit(self, node: ast.AST) -> Any:
        self.generic_visit(node)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return None  # a docstring, or the help of a setting
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("console.out", "console.err"):
            node.args = []
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return node.orelse
        return node


def _file(name: str, root: Path) -> Path | None:
    place = root.joinpath(*name.split(".")[1:])
    files = place / "__init__.py", place.with_suffix(".py")
    return next(filter(Path.is_file, files), None)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and (match := _REFERENCE.fullmatch(str(node.value))):
        yield match[1]
