"""A store whose folder was moved or copied: what is recorded is found, and goes on there."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest

from mlp.tracking.mlflow.moved import follow
from mlp.tracking.mlflow.store import Store, open_store


def uri(folder: Path) -> str:
    return f"sqlite:///{(folder / 'mlflow.db').as_posix()}"


def record(store: Store) -> str:
    """A run with a file and a registered model."""
    run_id = store.new_run("a run", {})
    store.client.log_text(run_id, "content", "file.txt")
    model = store.client.create_logged_model(store.experiment_id, "m", run_id)
    Path("MLmodel").write_text("model")
    store.client.log_model_artifact(model.model_id, "MLmodel")
    store.client.finalize_logged_model(model.model_id, "READY")
    mlflow.register_model(f"models:/{model.model_id}", "photos")
    return run_id


@pytest.fixture
def recorded(fresh_database: None) -> str:
    return record(open_store("mlp"))


@pytest.mark.parametrize("copied", [False, True])
def test_what_lies_beside_the_database_is_used_there(
    recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    before, now = tmp_path / "work", tmp_path / "now it's here"
    (shutil.copytree if copied else shutil.move)(before, now)
    monkeypatch.chdir(now)
    mlflow.set_tracking_uri(uri(now))
    store = open_store("mlp")
    info = store.client.get_run(recorded).info
    assert Path(info.artifact_uri) == now / "mlruns" / info.experiment_id / recorded / "artifacts"
    assert mlflow.artifacts.load_text(f"{info.artifact_uri}/file.txt") == "content"
    version = mlflow.artifacts.download_artifacts("models:/photos/1")
    assert Path(version).is_relative_to(now)
    assert Path(version, "MLmodel").read_text() == "model"
    run_id = store.new_run("new", {})
    store.client.log_text(run_id, "new", "new.txt")
    assert list(now.rglob("new.txt")) and not list(before.rglob("new.txt"))
    assert before.exists() == copied
    assert follow(uri(now)) == ""  # nothing is left to be done


def test_a_project_that_was_moved_without_its_files_records_new_ones_where_it_is(
    recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = tmp_path / "now"
    shutil.rmtree("mlruns")
    shutil.move(tmp_path / "work", now)
    monkeypatch.chdir(now)
    mlflow.set_tracking_uri(uri(now))
    store = open_store("mlp")
    store.client.log_text(store.new_run("new", {}), "new", "new.txt")
    assert list(now.rglob("new.txt")) and not (tmp_path / "work").exists()
    # Its files come later
    folder = now / "mlruns" / store.experiment_id / recorded / "artifacts"
    folder.mkdir(parents=True)
    assert "1 recorded runs" in follow(uri(now))
    assert Path(store.client.get_run(recorded).info.artifact_uri) == folder


def test_files_that_are_elsewhere_on_purpose_stay_there(
    fresh_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    client = mlflow.MlflowClient()
    client.create_experiment("mlp", artifact_location=str(own))
    client.create_experiment("far", artifact_location="s3://bucket/mlruns/2")
    database = Path("mlflow.db")
    before = database.read_bytes()
    # A command from another folder, before any file is recorded
    work = tmp_path / "work"
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert follow(uri(work)) == ""
    assert (work / "mlflow.db").read_bytes() == before
    assert follow("http://127.0.0.1:1") == follow(uri(other)) == ""
