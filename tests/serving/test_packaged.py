"""Packaged models read back by address, and refused when a file of theirs was changed."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from mlp.learning.seal import TamperedModel, seal
from mlp.serving.packaged import NoSuchModel, load_packaged
from mlp.tracking.packaging import SEALED
from mlp.tracking.store import Store
from tests.serving.conftest import Trained
from tests.serving.test_registry import logged_model, register


@pytest.fixture
def folder(trained: Trained, store: Store) -> Path:
    """The registered model's files, as the store has them; what a test changes is put back."""
    made = register(store, trained.strong)
    location = Path(logged_model(store, made.version).artifact_location)
    before = {path: path.read_bytes() for path in location.rglob("*") if path.is_file()}
    yield location
    for path in [p for p in location.rglob("*") if p.is_file()]:
        if path not in before:
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


@pytest.mark.parametrize(
    "name",
    ["artifacts/ensemble/0/weights.safetensors", "code/mlp/learning/network.py", "entry.py"],
)
def test_a_changed_file_is_refused_everywhere(folder: Path, store: Store, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    for address in ("models:/colors@champion", ""):
        with pytest.raises(TamperedModel, match=f"{name} is not the file that was packaged"):
            load_packaged(store, address)
    with pytest.raises(Exception, match="this model is refused"):
        mlflow.pyfunc.load_model("models:/colors@champion")


def test_a_model_that_was_sealed_anew_is_not_the_registered_one(folder: Path, store: Store) -> None:
    weights = folder / "artifacts/ensemble/0/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    digest = seal(folder, SEALED)
    described = yaml.safe_load((folder / "MLmodel").read_text())
    described["flavors"]["python_function"]["config"]["digest"] = digest
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    with pytest.raises(TamperedModel, match="MLmodel is not the one that was registered"):
        load_packaged(store, "models:/colors@champion")


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
