"""A served model imports what its own requirements.txt brings, and nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from mlp.tracking.mlflow.packaging import _REQUIREMENTS
from tests.test_layout import ROOT, module_name

PACKAGE = {"cv2": "opencv-python-headless", "PIL": "pillow", "sklearn": "scikit-learn",
           "fastapi": "mlflow"}  # fmt: skip


def imported_at_start(path: Path) -> set[str]:
    """What a module imports while it is imported, or in a function that serving calls."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_all_that_serving_imports_is_required() -> None:
    modules = {module_name(path): path for path in (ROOT / "mlp").rglob("*.py")}
    waiting, seen, others = ["mlp.serving.entry"], set(), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in modules:
            continue
        seen.add(name)
        for other in imported_at_start(modules[name]):
            waiting.append(other)
            others.add(other.split(".")[0])
    assert {
        "mlp.serving.classifier",
        "mlp.learning.networks.network",
        "mlp.data.images.decoding",
    } <= seen
    assert not [name for name in seen if name.startswith(("mlp.study", "mlp.tracking"))]
    third_party = others - set(sys.stdlib_module_names) - {"mlp"}
    assert {PACKAGE.get(name, name) for name in third_party} == set(_REQUIREMENTS)
