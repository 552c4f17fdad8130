"""A served model has the modules and the packages that answering needs, and nothing else."""

from __future__ import annotations

import sys

from mlp.imports import needed
from mlp.tracking.mlflow.packaging import _REQUIREMENTS
from tests.test_layout import ROOT, imported, module_name

PACKAGE = {"cv2": "opencv-python-headless", "PIL": "pillow"}
ROOMS = ("mlp.data.images", "mlp.data.familiarity", "mlp.data.normalization", "mlp.learning",
         "mlp.settings.architecture", "mlp.model", "mlp.errors", "mlp.failures", "mlp.softmax",
         "mlp.tables")  # fmt: skip


def test_all_that_serving_imports_is_required() -> None:
    modules = needed(["mlp.serving.entry"])
    assert {
        "mlp.serving.classifier",
        "mlp.learning.networks.mlp",
        "mlp.learning.networks.mixer",
        "mlp.data.images.decoding",
    } <= set(modules)
    others = {name.split(".")[0] for path in modules.values() for name in imported(path)}
    third_party = others - set(sys.stdlib_module_names) - {"mlp"}
    assert {PACKAGE.get(name, name) for name in third_party} == set(_REQUIREMENTS)


def test_a_model_needs_images_and_networks_alone() -> None:
    """No study, no tracking, no scores, and of settings the names of what networks are made of."""
    own = [module_name(path) for path in (ROOT / "mlp" / "model").glob("*.py")]
    serving = [name for name in needed(["mlp.serving.entry"]) if name.startswith("mlp.serving")]
    for name in set(needed([*own, "mlp.serving.entry"])) - {
        *serving,
        "mlp",
        "mlp.data",
        "mlp.settings",
    }:
        assert any(name == room or name.startswith(f"{room}.") for room in ROOMS), name
