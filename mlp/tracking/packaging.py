"""A finished run's network as an MLflow model: code, safetensors and JSON, no pickle."""

from __future__ import annotations

import base64
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array

from mlp.learning.checkpoint import Checkpoint

_PACKAGE = Path(__file__).resolve().parents[1]
# mlp.serving stands below mlp.tracking, which only names its file
_ENTRY = _PACKAGE / "serving" / "entry.py"
# What the serving code imports
_REQUIREMENTS = (
    "mlflow",
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "pillow",
    "opencv-python-headless",
    "safetensors",
)
_SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.string, "image")]),
    outputs=Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "probability"),
            ColSpec(Array(DataType.double), "probabilities"),
        ]
    ),
)


@cache
def _requirements() -> list[str]:
    # The public release of a local build: 2.13.0 of 2.13.0+cpu
    return [f"{name}=={version(name).split('+')[0]}" for name in _REQUIREMENTS]


def log_model(run_id: str, checkpoint: Checkpoint, example: bytes, step: int) -> str:
    """Package a network and attach it to a run; metrics of `step` are shown with it. Its URI."""
    with tempfile.TemporaryDirectory(prefix="mlp-model-") as folder:
        files = checkpoint.save(Path(folder))
        info = Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            name="model",
            run_id=run_id,
            step=step,
            python_model=str(_ENTRY),
            artifacts={name: str(path) for name, path in files.items()},
            code_paths=[str(_PACKAGE)],
            pip_requirements=_requirements(),
            signature=_SIGNATURE,
            input_example=pd.DataFrame({"image": [base64.b64encode(example).decode()]}),
        )
    uri: str = info.model_uri
    return uri
