"""The plan of the house: imports point one way, one place for each dependency, names for rooms."""

from __future__ import annotations

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
# A module imports only what stands before it here, or what shares its place
ORDER = (
    "mlp.errors", "mlp.failures", "mlp.imports", "mlp.tables", "mlp.escaping", "mlp.console",
    "mlp.fonts", "mlp.processes", "mlp.seeds", "mlp.softmax", "mlp.languages",
    "mlp.predictions", "mlp.metrics", "mlp.settings", "mlp.data", "mlp.learning", "mlp.model",
    "mlp.study", "mlp.execution", "mlp.evidence", "mlp.search", "mlp.tracking", "mlp.report",
    "mlp.serving", "mlp.workflows", "mlp.commands", "scripts", "benchmarks", "tests",
)  # fmt: skip
MODULES = sorted(p for top in ("mlp", "scripts", "benchmarks") for p in (ROOT / top).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """What a module imports, but for type checkers alone."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def place(name: str) -> int | None:
    found = [k for k, top in enumerate(ORDER) if name == top or name.startswith(f"{top}.")]
    return found[0] if found else None


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    own = place(module_name(path))
    for name in imported(path):
        other = place(name)
        if other is not None:
            assert own is not None and other <= own, f"{module_name(path)} imports {name}"


def test_no_module_needs_itself() -> None:
    names = {module_name(path): path for path in MODULES}
    needs = {}
    for module, path in names.items():
        found = {n if n in names else n.rpartition(".")[0] for n in imported(path)}
        needs[module] = found & names.keys() - {module}
    list(TopologicalSorter(needs).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("mlflow", {"mlp.tracking", "mlp.serving", "benchmarks"}),
        ("torch.utils.tensorboard", {"mlp.tracking", "benchmarks"}),
        ("albumentations", {"mlp.data.augmentation", "benchmarks"}),
        ("click", {"mlp.commands", "benchmarks"}),
    ],
)
def test_a_library_is_imported_in_its_own_room_only(library: str, allowed: set[str]) -> None:
    for path in MODULES:
        if any(name == library or name.startswith(f"{library}.") for name in imported(path)):
            name = module_name(path)
            assert any(name == room or name.startswith(f"{room}.") for room in allowed), name


def test_rooms_have_names_and_files_hold_one_concept() -> None:
    for path in MODULES:
        assert path.stem not in {"utils", "common", "helpers", "misc"}
        most = 350 if path.is_relative_to(ROOT / "benchmarks") else 300
        assert len(path.read_text(encoding="utf-8").splitlines()) <= most, path
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_a_docstring_says_what_a_thing_is_or_does() -> None:
    for path in MODULES:
        if path.is_relative_to(ROOT / "benchmarks"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                first = (ast.get_docstring(node) or "").split(" ")[0]
                asks = first in {"What", "Whether", "How", "Which", "Why", "Where"}
                assert not asks, f"{path}: {ast.get_docstring(node)}"


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    found = [re.fullmatch(r"([\w.-]+)==(\S+)", line) for line in lines]
    return {m[1].lower().replace("_", "-"): m[2] for m in found if m}


def test_dependencies_are_listed_once_and_pinned() -> None:
    own, tools, every = (
        pins("requirements.txt"),
        pins("requirements-dev.txt"),
        pins("constraints.txt"),
    )
    assert not own.keys() & tools.keys()
    for name, version in (own | tools).items():
        assert every[name] == version, name
    unpinned = [
        line
        for file in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / file).read_text().splitlines()
        if line and not line.startswith(("#", "-")) and "==" not in line
    ]
    assert not unpinned
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.txt"]}


def test_every_import_is_a_listed_dependency() -> None:
    package = {"cv2": "opencv-python-headless", "PIL": "pillow", "sklearn": "scikit-learn",
               "pytorch_lightning": "pytorch-lightning", "yaml": "pyyaml"}  # fmt: skip
    for path in MODULES:
        listed = set(pins("requirements.txt")) | {"medmnist"}  # asked for only by who uses it
        if path.parent.name == "benchmarks":
            listed |= set(pins("benchmarks/requirements.txt"))
        for name in imported(path):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in {"mlp", "scripts", "benchmarks"}:
                continue
            assert package.get(top, top) in listed, f"{path} imports {top}"
