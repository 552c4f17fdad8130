"""Packaged models read back: their seal is checked, and nothing of them is run or unpickled."""

from __future__ import annotations

import base64
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from mlp.learning.ensemble import Ensemble
from mlp.learning.seal import TamperedModel, check_seal
from mlp.tracking.packaging import ARTIFACT, DIGEST
from mlp.tracking.store import Store

CHAMPION = "champion"
SEALED_AS = "mlp.digest"  # tag of a registered version: the digest of its model's seal
_FORMS = "models:/NAME@champion, models:/NAME/VERSION or models:/m-ID"


class NoSuchModel(ValueError):
    """There is no such model, or it is not one of this project's, in words for a person."""


@dataclass(frozen=True)
class Packaged:
    """A model and where it comes from. `example` is an encoded image that it takes."""

    ensemble: Ensemble
    uri: str
    digest: str
    run_id: str
    example: bytes
    version: ModelVersion | None  # where the address names a registered one

    @property
    def title(self) -> str:
        """A short name for people."""
        return f"{self.version.name} version {self.version.version}" if self.version else self.uri


def load_packaged(store: Store, uri: str = "") -> Packaged:
    """The model at an address, or the champion of the only registered model.

    The project's own source runs it, whatever source was packaged. Raises NoSuchModel;
    TamperedModel when its files are not those that were packaged, or those that were registered.
    """
    uri = uri or _only_champion(store)
    if not uri.startswith("models:/"):
        raise NoSuchModel(f"{uri!r} is no address of a model; give {_FORMS}")
    try:
        version = _registered(store, uri)
        with tempfile.TemporaryDirectory(prefix="mlp-model-", ignore_cleanup_errors=True) as place:
            mlflow.artifacts.download_artifacts(uri, dst_path=place, tracking_uri=store.uri)
            folder = next(p.parent for p in Path(place).rglob("MLmodel"))
            model = Model.load(str(folder))
            return _load(folder, model, uri, version)
    except (MlflowException, OSError, StopIteration) as error:
        reason = getattr(error, "message", str(error)) or "it has no files"
        raise NoSuchModel(
            f"no model at {uri!r} in {store.address}: {reason}; give {_FORMS}"
        ) from None


def _load(folder: Path, model: Model, uri: str, version: ModelVersion | None) -> Packaged:
    digest = (model.flavors.get("python_function", {}).get("config") or {}).get(DIGEST)
    if digest is None:
        raise NoSuchModel(f"the model at {uri!r} was not packaged by this project")
    try:
        if version is not None and version.tags.get(SEALED_AS, digest) != digest:
            raise TamperedModel("MLmodel is not the one that was registered")
        check_seal(folder, digest)
    except TamperedModel as error:
        raise TamperedModel(
            f"the model at {uri!r} is refused: {error}; its files were changed after packaging. "
            "Register its study again, or use another version"
        ) from None
    example = json.loads((folder / "input_example.json").read_text(encoding="utf-8"))
    return Packaged(
        Ensemble.load(folder / "artifacts" / ARTIFACT),
        uri,
        digest,
        model.run_id,
        base64.b64decode(example["data"][0][0]),
        version,
    )


def _registered(store: Store, uri: str) -> ModelVersion | None:
    """The version that an address names."""
    address = uri.removeprefix("models:/")
    if "@" in address:
        return store.client.get_model_version_by_alias(*address.split("@", 1))
    if "/" in address:
        return store.client.get_model_version(*address.split("/", 1))
    return None


def _only_champion(store: Store) -> str:
    names = [m.name for m in store.client.search_registered_models() if CHAMPION in m.aliases]
    if len(names) != 1:
        found = f"these have a champion: {', '.join(names)}" if names else "none has a champion"
        raise NoSuchModel(
            f"which model? {found}; register one with the entry point register, or give {_FORMS}"
        )
    return f"models:/{names[0]}@{CHAMPION}"
