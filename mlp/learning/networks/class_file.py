"""A class that a program or a notebook has, as the file from which a network is made."""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from torch import nn

from mlp.errors import NetworkError


def file_of(kind: type[nn.Module], folder: Path) -> str:
    """The setting `network` for a class, FILE.py:CLASS.

    A class of a notebook, or of the program that runs, is written into `folder` first, with the
    imports, numbers, texts, functions and classes that it uses. Raises NetworkError where it uses
    anything else.
    """
    name, path = kind.__name__, Path(_code(kind).co_filename)
    # A program would be run once more, with all that it does
    if kind.__module__ != "__main__" and path.is_file() and kind.__qualname__ == name:
        return f"{path.resolve()}:{name}"
    parts: dict[str, str] = {}
    _collect(name, kind, parts)
    source = "\n".join(parts.values()) + "\n"
    path = folder / f"{name.lower()}_{hashlib.sha256(source.encode()).hexdigest()[:16]}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return f"{path}:{name}"


def _code(defined: Any) -> Any:
    own = [defined, *vars(defined).values()] if isinstance(defined, type) else [defined]
    found = [each.__code__ for each in own if isinstance(each, FunctionType)]
    if not found:
        raise NetworkError(f"class {defined.__name__} has no methods: give network=FILE.py:CLASS")
    return found[0]


def _collect(name: str, value: Any, parts: dict[str, str]) -> None:
    """Add the text that defines a name, after the texts of what it uses."""
    if name in parts:
        return
    if isinstance(value, ModuleType):
        parts[name] = f"import {value.__name__} as {name}"
    elif isinstance(value, type | FunctionType) and value.__module__ != "__main__":
        parts[name] = f"from {value.__module__} import {value.__qualname__} as {name}"
    elif isinstance(value, type | FunctionType):
        text, tree = _definition(value)
        parts[name] = ""  # it may use itself
        scope: Mapping[str, Any] = inspect.getmodule(value).__dict__
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for other in sorted(used & scope.keys() - {name}):
            _collect(other, scope[other], parts)
        del parts[name]
        parts[name] = text
    elif isinstance(value, bool | int | float | str | tuple | None):
        parts[name] = f"{name} = {value!r}"
    else:
        raise NetworkError(
            f"the network uses {name}, a {type(value).__name__}, which cannot go with it into a "
            "model: put it into a file, and give network=FILE.py:CLASS"
        )


def _definition(value: type | FunctionType) -> tuple[str, ast.AST]:
    cell = "".join(linecache.getlines(_code(value).co_filename))
    kinds = ast.ClassDef | ast.FunctionDef
    for node in reversed(ast.parse(cell).body if cell else []):
        if isinstance(node, kinds) and node.name == value.__name__:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            return "\n".join(cell.splitlines()[first - 1 : node.end_lineno]), node
    raise NetworkError(
        f"the text of {value.__name__} is not to be found: put it into a file, and give "
        "network=FILE.py:CLASS"
    )
