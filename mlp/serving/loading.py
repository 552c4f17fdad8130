"""Packaged models read back: their seal is checked first, and nothing of them is unpickled."""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from mlp.console import typed
from mlp.errors import NetworkError, NoSuchModel, TamperedModel
from mlp.model.ensemble import Ensemble
from mlp.model.seal import check_seal, is_sealed
from mlp.tracking.mlflow.packaging import ARTIFACT, SEALED_AS
from mlp.tracking.mlflow.store import Store

CHAMPION = "champion"
RUNS = "mlp.runs"  # tag of a version: the runs that its networks are from
_FORMS = (
    "models:/NAME@champion, models:/NAME/VERSION, models:/m-ID, runs:/RUN_ID or a model's folder"
)


@dataclass(frozen=True)
class LoadedModel:
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

    @property
    def run_ids(self) -> list[str]:
        """The runs that trained its networks."""
        tags: Mapping[str, str] = self.version.tags if self.version else {}
        return tags.get(RUNS, self.run_id).split(",")


def load_packaged(store: Store, uri: str = "") -> LoadedModel:
    """The model at an address, or the champion of the only registered model.

    The project's own source runs it, whatever source was packaged; only the file of a network of a
    user's own is run, once the seal is found good. Raises NoSuchModel; TamperedModel when its files
    are not those that were packaged, or those that were registered.
    """
    uri = uri or _only_champion(store)
    if Path(uri).is_dir():
        return load_folder(Path(uri))
    run = re.fullmatch(r"runs:/(\w+)(/.*)?", uri)
    if not (run or uri.startswith("models:/")):
        raise NoSuchModel(f"{uri!r} is no address of a model; give {_FORMS}")
    try:
        uri = model_of(store, run[1]) if run else uri
        version = _registered(store, uri)
        source, tags = (version.source if version else None) or uri, {}
        if match := re.fullmatch(r"models:/(m-\w+)", source):
            logged = store.client.get_logged_model(match[1])
            source, tags = logged.artifact_location, logged.tags
        with tempfile.TemporaryDirectory(prefix="mlp-model-", ignore_cleanup_errors=True) as place:
            folder = _copy(store, source, Path(place) / "model")
            return _load(folder, uri, version, tags)
    except (MlflowException, OSError) as error:
        reason = " ".join(getattr(error, "message", str(error)).split())
        raise NoSuchModel(
            f"no model at {uri!r} in {store.address}: {reason}; give {_FORMS}"
        ) from None


def load_folder(folder: Path) -> LoadedModel:
    """The model whose files lie in a folder. Raises NoSuchModel, TamperedModel."""
    return _load(folder, str(folder), None, {})


def model_of(store: Store, run_id: str) -> str:
    """The address of the model of a run. Raises NoSuchModel, MlflowException."""
    outputs = store.client.get_run(run_id).outputs
    if outputs is None or not outputs.model_outputs:
        raise NoSuchModel(
            f"run {run_id} has no model: with --models none, or best where another arm is, none is "
            "kept. Repeat the command of its study with --models all, which trains it again with "
            "the same numbers"
        )
    return f"models:/{outputs.model_outputs[0].model_id}"


def _copy(store: Store, source: str, place: Path) -> Path:
    """Files of a model on this machine: links stay links, so that the seal's check sees them."""
    if is_local_uri(source):
        shutil.copytree(local_file_uri_to_path(source), place, symlinks=True)
        return place
    place.mkdir()
    got = mlflow.artifacts.download_artifacts(source, dst_path=str(place), tracking_uri=store.uri)
    return Path(got)


def _load(
    folder: Path, uri: str, version: ModelVersion | None, tags: Mapping[str, str]
) -> LoadedModel:
    if not is_sealed(folder):
        raise NoSuchModel(f"the model at {uri!r} was not packaged by this project")
    try:
        digest = check_seal(folder)
        for known, how in ((tags, "recorded"), (version.tags if version else {}, "registered")):
            if known.get(SEALED_AS, digest) != digest:
                raise TamperedModel(f"MLmodel is not the one that was {how}")
        example = json.loads((folder / "input_example.json").read_text(encoding="utf-8"))
        return LoadedModel(
            Ensemble.load(folder / "artifacts" / ARTIFACT),
            uri,
            digest,
            Model.load(str(folder)).run_id,
            base64.b64decode(example["data"][0][0]),
            version,
        )
    except NetworkError as error:  # a package that is not here, most often
        raise NoSuchModel(
            f"the network of the model at {uri!r} does not run here: {error}"
        ) from None
    except TamperedModel as error:
        reason = str(error)
    # Somebody who seals a model anew can put anything into its files, and readers raise anything
    except Exception as error:
        reason = f"its files cannot be read ({type(error).__name__})"
    raise TamperedModel(
        f"the model at {uri!r} is refused: {reason}; its files were changed after packaging. "
        "Register its study again, or use another version"
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
        how = f"register one with `{typed('register')}`, or give {_FORMS}"
        raise NoSuchModel(f"which model? {found}; {how}")
    return f"models:/{names[0]}@{CHAMPION}"
