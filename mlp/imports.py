"""The modules of this package that a module needs, found by reading its import statements.

And their code: what is left of them without what is written for people.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

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
    tree = ast.parse(content)
    names = frozenset(n for n in _imported(tree) if n == "mlp" or n.startswith("mlp."))
    return names, ast.unparse(_WithoutTexts().visit(tree))


class _WithoutTexts(ast.NodeTransformer):
    """Takes out what is written for people."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        # A text that stands alone: a docstring, or the description of a setting
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) in ("console.out", "console.err"):
            node.args = []
        return self.generic_visit(node)


def _file(name: str, root: Path) -> Path | None:
    place = root.joinpath(*name.split(".")[1:])
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if match := _REFERENCE.fullmatch(node.value):
            yield match[1]
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for statement in node.orelse:
            yield from _imported(statement)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imported(child)
