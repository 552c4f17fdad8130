"""What importing costs and changes: little time, and nothing of the process or of a library."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlp
from mlp import errors
from tests.test_layout import ROOT, module_name

MODULES = sorted((ROOT / "mlp").rglob("*.py"))


def run(code: str) -> str:
    """What a fresh process prints, in whose environment nobody has set anything before."""
    kept = ("PATH", "HOME", "SYSTEMROOT", "TEMP", "MLP_CACHE")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={name: os.environ[name] for name in kept if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_imported_at_once_and_without_torch() -> None:
    timed = "import time, sys; t = time.perf_counter(); import mlp; t = time.perf_counter() - t\n"
    took, *heavy = run(
        timed + "print(t, *({'torch', 'mlflow', 'numpy', 'pandas'} & set(sys.modules)))"
    ).split()
    assert float(took) < 0.3 and not heavy


def test_names_are_those_that_type_checkers_see_and_each_is_there() -> None:
    tree = ast.parse((ROOT / "mlp" / "__init__.py").read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {a.asname for n in checked.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert seen <= set(dir(mlp)) - {"__version__", "__file__", "__path__"}
    for name in seen:
        assert getattr(mlp, str(name)).__name__ == name
    every = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert every <= seen
    with pytest.raises(AttributeError, match="no attribute 'compere'"):
        mlp.compere  # noqa: B018


def test_a_function_keeps_its_name_when_a_package_of_that_name_is_imported() -> None:
    said = run(
        "import mlp.report.page, mlp.search.space, mlp\n"
        "print(mlp.report.__name__, mlp.report.__module__, mlp.search.__module__)"
    )
    assert said.split() == ["report", "mlp.workflows.library", "mlp.workflows.library"]


# The system tells of each variable that is set, by whomever
WATCHED = """
import importlib, os, sys
def told(event, arguments):
    if event in ("os.putenv", "os.unsetenv"):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith(("<frozen os", "<frozen _coll", os.__file__)):
            frame = frame.f_back
        name = frame.f_code.co_filename
        if name.startswith(os.path.join(os.getcwd(), "mlp")):
            print(name, arguments)
sys.addaudithook(told)
for name in {names}:
    importlib.import_module(name)
"""


def test_no_module_sets_an_environment_variable() -> None:
    # Which are imported by a server of models, and by a process that does nothing else
    apart = "entry", "preload"
    names = [module_name(path) for path in MODULES if path.stem not in apart]
    assert run(WATCHED.format(names=names)) == ""


def changed(tree: ast.Module) -> list[str]:
    """The statements by which a module changes what it imports, while it is imported itself."""
    found, waiting = [], list(ast.iter_child_nodes(tree))
    names = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        waiting += ast.iter_child_nodes(node)
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        if isinstance(node, ast.AugAssign):
            targets = [node.target]
        for target in targets:
            root = target
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if root is not target and isinstance(root, ast.Name) and root.id in names:
                found.append(ast.unparse(node))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
            "setattr", "filterwarnings", "simplefilter", "setLevel", "basicConfig", "setdefault",
        ):  # fmt: skip
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_module_patches_a_library(path: Path) -> None:
    assert not changed(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "from PIL import Image\nImage.MAX_IMAGE_PIXELS = 1",
        "import os\nos.environ['A'] = 'b'",
        "import os\nos.environ.setdefault('A', 'b')",
        "import warnings\nwarnings.filterwarnings('ignore')",
        "import fastapi\nclass A(fastapi.FastAPI):\n    fastapi.FastAPI = 1",
    ],
)
def test_a_patch_is_noticed(text: str) -> None:
    assert changed(ast.parse(text))
