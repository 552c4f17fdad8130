"""A finished run's network as an MLflow model: code, safetensors and JSON, no pickle."""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array

from mlp.imports import ROOT, needed
from mlp.learning.networks.examination import imported
from mlp.model.checkpoint import SOURCE
from mlp.model.ensemble import Ensemble
from mlp.model.seal import BLANK, DESCRIPTION, seal
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.artifacts import copy_tree, local_folder

# mlp.serving stands below mlp.tracking, which only names its files
_ENTRY = "mlp.serving.entry"
_SOURCE = "code/mlp.zip"  # within a model: the modules that the entry needs
# The packages that they import
_REQUIREMENTS = (
    "mlflow",
    "torch",
    "numpy",
    "pandas",
    "pillow",
    "opencv-python-headless",
    "safetensors",
)
ARTIFACT = "ensemble"  # where it is within a model
SEALED_AS = "mlp.digest"  # tag of a model and of a registered version: the digest of its seal
_EXAMPLE = "example.png"
_OWN = ("artifact_path", "run_id", "model_uuid", "model_id")  # of MLmodel: differ between models
# A file of the name of the folder of Python's caches: a server then leaves none beside the sealed
# source, and runs none that somebody else left there
_NO_CACHE = "This file keeps Python from putting compiled code here.\n"
_REFUSED = r"[/:.%\"']"  # in the name of a model, by MLflow
_SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.string, "image")]),
    outputs=Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "probability"),
            ColSpec(Array(DataType.string), "top_labels"),
            ColSpec(Array(DataType.double), "top_probabilities"),
            ColSpec(Array(DataType.double), "probabilities"),
            ColSpec(DataType.boolean, "unfamiliar"),
            ColSpec(DataType.string, "error"),
        ]
    ),
    params=ParamSchema([ParamSpec("top_k", DataType.long, 3)]),
)


def model_files(ensemble: Ensemble, example: bytes, folder: Path) -> None:
    """Write what a model is made of: networks, and an encoded image for its page."""
    (folder / ARTIFACT).mkdir()
    ensemble.save(folder / ARTIFACT)
    (folder / _EXAMPLE).write_bytes(example)


def _own_requirements(ensemble: Path) -> list[str]:
    """The packages that networks of users' own import, beside those that every model needs."""
    sources = {path.read_text(encoding="utf-8") for path in ensemble.glob(f"*/{SOURCE}")}
    packages = {package for source in sources for package in imported(source)}
    owners = packages_distributions() if packages else {}
    return sorted({name for p in packages for name in owners.get(p, ())} - {*_REQUIREMENTS, "mlp"})


class Packager:
    """Makes MLflow models of networks. What they have in common is written once and copied."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._folder = tempfile.TemporaryDirectory(prefix="mlp-models-")
        self._described: dict[Path, str] = {}

    def log_model(
        self, run: Run, files: Path, metrics: list[Metric], waiting_for: str = ""
    ) -> tuple[str, list[Metric]]:
        """Package networks as a model of a run: its id, and `metrics` as those of both.

        `files` has what `model_files` wrote. Of a run that has a model already, it is that one.
        `waiting_for`: the study at whose end the model is attached to its run, or removed.

        The steps of `mlflow.pyfunc.log_model`, without its reading back of all metrics and its
        trial run of each model, which together take as long as the rest.
        """
        client, run_id = self._client, run.info.run_id
        logged = client.create_logged_model(
            run.info.experiment_id,
            re.sub(_REFUSED, "_", run.info.run_name),
            run_id,
            params=run.data.params,
            model_type="classifier",
        )
        needed_too = _own_requirements(files / ARTIFACT)
        common = Path(self._folder.name, "-".join(["model", *needed_too]))
        if common not in self._described:
            self._described[common] = self._write(files, common, needed_too)
        own = zip(_OWN, (logged.artifact_location, run_id, *2 * [logged.model_id]), strict=True)
        described = "".join(f"{name}: {json.dumps(value)}\n" for name, value in own)
        with tempfile.TemporaryDirectory(prefix="model-", dir=files) as name:
            made = Path(name)
            shutil.copytree(common, made, dirs_exist_ok=True)
            copy_tree(files / ARTIFACT, made / "artifacts" / ARTIFACT)
            (made / DESCRIPTION).write_text(self._described[common] + described, encoding="utf-8")
            tags = {SEALED_AS: seal(made)} | ({names.WAITING: waiting_for} if waiting_for else {})
            client.set_logged_model_tags(logged.model_id, tags)
            place = local_folder(logged.artifact_location)
            if place is None:
                client.log_model_artifacts(logged.model_id, str(made))
            else:
                copy_tree(made, place)
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        if not waiting_for:
            client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
        data = run.inputs.dataset_inputs[0].dataset
        about = logged.model_id, data.name, data.digest, run_id
        shared = [Metric(m.key, m.value, m.timestamp, m.step, *about) for m in metrics]
        return str(logged.model_id), shared

    def close(self) -> None:
        """Remove the copy of what models have in common."""
        self._folder.cleanup()

    def _write(self, files: Path, folder: Path, needed_too: Sequence[str]) -> str:
        """Write what all models with these requirements have in common; its description."""
        modules = needed([_ENTRY])
        source = folder.with_name(Path(_SOURCE).name)
        with zipfile.ZipFile(source, "w") as archive:
            for path in modules.values():
                inside = zipfile.ZipInfo(path.relative_to(ROOT.parent).as_posix())
                archive.writestr(inside, path.read_bytes(), zipfile.ZIP_DEFLATED)
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(modules[_ENTRY]),
            artifacts={ARTIFACT: str(files / ARTIFACT)},
            code_paths=[str(source)],
            # The public release of a local build: 2.13.0 of 2.13.0+cpu
            pip_requirements=[
                f"{n}=={version(n).split('+')[0]}" for n in (*_REQUIREMENTS, *needed_too)
            ],
            signature=_SIGNATURE,
            input_example=pd.DataFrame(
                {"image": [base64.b64encode((files / _EXAMPLE).read_bytes()).decode()]}
            ),
        )
        shutil.rmtree(folder / "artifacts" / ARTIFACT)
        model = Model.load(str(folder))
        # MLflow puts what `code` names in front of sys.path
        model.flavors["python_function"] |= {"config": {"digest": BLANK}, "code": _SOURCE}
        described = {name: v for name, v in model.to_dict().items() if name not in _OWN}
        (folder / DESCRIPTION).unlink()
        (folder / "__pycache__").write_text(_NO_CACHE, encoding="utf-8")
        return yaml.safe_dump(described)
