"""Packaged models read back by address, and refused when a file of theirs was changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from mlp.errors import NoSuchModel, TamperedModel
from mlp.model.seal import BLANK, SEAL, check_seal, seal
from mlp.serving.classifier import Classifier
from mlp.serving.loading import load_folder, load_packaged
from mlp.tracking.mlflow.packaging import SEALED_AS
from mlp.tracking.mlflow.store import Store
from tests.serving.conftest import Trained
from tests.serving.test_registry import logged_model, register


@pytest.fixture
def folder(trained: Trained, store: Store) -> Path:
    """The registered model's files, as the store has them; what a test changes is put back."""
    made = register(store, trained.strong)
    location = Path(logged_model(store, made.version).artifact_location)
    before = {path: path.read_bytes() for path in location.rglob("*") if path.is_file()}
    yield location
    for path in [p for p in location.rglob("*") if p.is_symlink() or p.is_file()]:
        if path not in before or path.is_symlink():
            path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


@pytest.mark.parametrize("address", ["models:/colors@champion", "models:/colors/1", ""])
def test_every_address_gives_the_model(folder: Path, store: Store, address: str) -> None:
    model = load_packaged(store, address)
    assert model.title == "colors version 1" and model.ensemble.classes == ("blue", "green", "red")
    decoded = model.ensemble.decode(model.example)
    assert not isinstance(decoded, str)
    direct = load_packaged(store, model.version.source)  # type: ignore[union-attr]
    assert direct.title.startswith("models:/m-") and direct.version is None
    np.testing.assert_array_equal(
        direct.ensemble.probabilities(decoded[None]), model.ensemble.probabilities(decoded[None])
    )
    for place in (f"runs:/{model.run_id}", str(folder)):
        assert load_packaged(store, place).digest == model.digest
    assert load_folder(folder).title == str(folder)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("models:/nobody@champion", "nobody"),
        ("models:/colors/99", "99"),
        ("models:/m-123", "m-123"),
        ("colors", "'colors' is no address of a model; give models:/NAME@champion"),
    ],
)
def test_a_wrong_address_is_named(folder: Path, store: Store, address: str, told: str) -> None:
    with pytest.raises(NoSuchModel, match="give models:/NAME@champion") as caught:
        load_packaged(store, address)
    assert told in str(caught.value)


def test_without_an_address_there_has_to_be_one_champion(trained: Trained, store: Store) -> None:
    with pytest.raises(NoSuchModel, match="none has a champion; register one"):
        load_packaged(store)
    register(store, trained.weak, name="one")
    assert load_packaged(store).title == "one version 1"
    register(store, trained.weak, name="two")
    with pytest.raises(NoSuchModel, match="which model\\? these have a champion: one, two"):
        load_packaged(store)


def test_a_model_of_another_project_is_refused(trained: Trained, store: Store) -> None:
    Path("other.py").write_text(
        "import mlflow\n"
        "class M(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input: list[str], params=None):\n"
        "        return model_input\n"
        "mlflow.models.set_model(M())\n"
    )
    with mlflow.start_run(experiment_id=store.experiment_id):
        info = mlflow.pyfunc.log_model(
            name="other", python_model="other.py", pip_requirements=["mlflow"]
        )
    with pytest.raises(NoSuchModel, match="was not packaged by this project"):
        load_packaged(store, f"models:/{info.model_id}")


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_everything_that_was_packaged_is_sealed(folder: Path) -> None:
    assert set(json.loads((folder / SEAL).read_text())) == set(names(folder)) - {SEAL}
    assert {"MLmodel", "entry.py", "input_example.json", "requirements.txt", "conda.yaml"} < set(
        names(folder)
    )


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def clear(path: Path) -> None:
    path.write_bytes(b"")


def link(path: Path) -> None:
    same = Path("same").absolute()
    same.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(same)


def refused(folder: Path, store: Store) -> None:
    """By every command that takes a model, and by what a server calls."""
    for address in ("models:/colors@champion", ""):
        with pytest.raises(TamperedModel, match="is refused: ") as caught:
            load_packaged(store, address)
        assert "\n" not in str(caught.value)
    with pytest.raises(MlflowException, match="this model is refused"):
        Classifier().load_context(
            SimpleNamespace(artifacts={"ensemble": str(folder / "artifacts" / "ensemble")})
        )


@pytest.mark.parametrize("tamper", [change, clear, Path.unlink, link])
def test_any_file_that_is_changed_removed_or_linked_is_refused(
    folder: Path, store: Store, tamper: Callable[[Path], None]
) -> None:
    every = names(folder)
    for name in every:
        before = (folder / name).read_bytes()
        tamper(folder / name)
        if (folder / name).is_file() and (folder / name).read_bytes() == before and not before:
            continue  # an empty file was cleared
        refused(folder, store)
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(before)
    load_packaged(store, "models:/colors@champion")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    place=st.sampled_from([".", "code", "code/mlp", "artifacts", "artifacts/ensemble/0", "new/1"]),
    name=st.sampled_from(["sitecustomize.py", "zzz.py", "a.pth", "settings.json.bak", ".x", "é"])
    | st.text("abc.", min_size=1, max_size=5).filter(lambda n: n.strip(".")),
    content=st.binary(max_size=5),
)
def test_any_file_that_is_added_is_refused(
    folder: Path, store: Store, place: str, name: str, content: bytes
) -> None:
    path = folder / place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        refused(folder, store)
    finally:
        path.unlink()


def test_a_member_that_is_added_never_votes(folder: Path, store: Store) -> None:
    members = folder / "artifacts" / "ensemble"
    shutil.copytree(members / "0", members / "1")
    refused(folder, store)
    with pytest.raises(MlflowException, match="is not among the files that were packaged"):
        mlflow.pyfunc.load_model("models:/colors@champion")


def test_a_cache_cannot_be_planted_and_loading_leaves_none(folder: Path, store: Store) -> None:
    before = names(folder)
    for _ in range(2):  # a second start finds what the first one found
        mlflow.pyfunc.load_model(str(folder))
    assert names(folder) == before
    assert (folder / "__pycache__").is_file()
    with pytest.raises(OSError, match="__pycache__"):
        (folder / "__pycache__" / "x.pyc").write_bytes(b"")
    (folder / "__pycache__").unlink()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "entry.cpython-311.pyc").write_bytes(b"")
    refused(folder, store)
    (folder / "__pycache__" / "entry.cpython-311.pyc").unlink()
    (folder / "__pycache__").rmdir()


def sealed_anew(folder: Path) -> None:
    described = yaml.safe_load((folder / "MLmodel").read_text())
    described["flavors"]["python_function"]["config"]["digest"] = BLANK
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    seal(folder)


def test_a_model_that_was_sealed_anew_is_not_the_registered_one(folder: Path, store: Store) -> None:
    weights = folder / "artifacts/ensemble/0/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    sealed_anew(folder)
    for address in ("models:/colors@champion", f"models:/{folder.parent.name}"):
        with pytest.raises(TamperedModel, match="MLmodel is not the one that was re"):
            load_packaged(store, address)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("input_example.json", "{"),
        ("input_example.json", '{"data": []}'),
        ("artifacts/ensemble/members.json", "[]"),
        ("artifacts/ensemble/members.json", "0"),
        ("artifacts/ensemble/0/settings.json", '{"network": 3}'),
        ("artifacts/ensemble/0/settings.json", "[" * 100_000),
        ("artifacts/ensemble/0/weights.safetensors", "x"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_a_line_whoever_sealed_it(
    folder: Path, store: Store, name: str, content: str
) -> None:
    """As of a store of others, who need not have changed a thing after the sealing."""
    (folder / name).write_text(content)
    sealed_anew(folder)
    digest = check_seal(folder)
    store.client.set_model_version_tag("colors", "1", SEALED_AS, digest)
    store.client.set_logged_model_tags(folder.parent.name, {SEALED_AS: digest})
    with pytest.raises(TamperedModel, match="is refused: its files cannot be read"):
        load_packaged(store)


def test_mlflow_loads_it_with_pickles_forbidden_and_answers_alike(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import base64

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    served = mlflow.pyfunc.load_model("models:/colors@champion")
    model = load_packaged(store)
    table = served.predict(
        pd.DataFrame({"image": [base64.b64encode(model.example).decode()]}), params={"top_k": 2}
    )
    [answer] = model.ensemble.answer([model.ensemble.decode(model.example)])
    assert list(answer.probabilities) == table["probabilities"][0]
    assert len(table["top_labels"][0]) == 2
