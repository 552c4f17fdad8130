"""Passwords and tokens within addresses: used, and neither shown nor kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlp.commands.train import train
from mlp.errors import NoSuchModel, NoSuchStudy, ServerAway
from mlp.serving.loading import load_packaged
from mlp.tracking.mlflow.outbox import Outbox, send_left
from mlp.tracking.mlflow.store import Store, open_store
from mlp.tracking.mlflow.studies import MlflowStudies
from mlp.tracking.mlflow.waiting import WaitLimit, connect

SECRET = "s3cret"
ADDRESS = f"http://ana:{SECRET}@127.0.0.1:9"


def store_at(uri: str) -> Store:
    """A store on a server that nobody runs, and that is not waited for."""
    limit = WaitLimit(0)
    return Store(connect(uri, limit), "1", uri, None, limit)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def test_what_waits_for_a_server_does_not_name_its_password(tmp_path: Path) -> None:
    outbox = Outbox(store_at(ADDRESS), tmp_path / ".outbox", shared=False)
    outbox.put("batch", "a-run", {"metrics": [], "tags": {"key": "value"}, "params": {}})
    with pytest.raises(ServerAway) as error:
        outbox.deliver()
    outbox.close()
    assert "http://***@127.0.0.1:9" in str(error.value) and SECRET not in str(error.value)
    [folder] = (tmp_path / ".outbox").iterdir()
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) >= 2
    for file in files:
        assert SECRET not in file.read_text()
    if sys.platform != "win32":
        assert folder.stat().st_mode & 0o077 == 0
    # It is still known which server it is for, whatever its password is now
    with pytest.raises(ServerAway):
        send_left(store_at(ADDRESS.replace(SECRET, "new")), tmp_path / ".outbox")
    send_left(store_at("http://127.0.0.1:10"), tmp_path / ".outbox")
    assert folder.exists()


@pytest.mark.parametrize(
    "uri", [ADDRESS, f"postgresql+psycopg2://ana:{SECRET}@db/mlflow", f"https://{SECRET}@host"]
)
def test_where_to_look_is_said_without_the_password(uri: str) -> None:
    store = Store(MlflowClient("sqlite://"), "1", uri, None, WaitLimit(0))
    said = store.how_to_open(store.page("a-run"))
    assert SECRET not in said and "***@" in said and "a-run" in said


def test_what_is_not_there_is_said_without_the_password(
    fresh_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store("mlp")
    shown = Store(store.client, store.experiment_id, ADDRESS, None, store.limit)
    with pytest.raises(NoSuchStudy, match=r"http://\*\*\*@127"):
        MlflowStudies(shown).find("latest")
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", _refuse)
    with pytest.raises(NoSuchModel, match=r"http://\*\*\*@127") as error:
        load_packaged(shown, "models:/none/1")
    assert SECRET not in str(error.value)


def _refuse(*_: object, **__: object) -> None:
    raise MlflowException("no such model")


def test_a_command_names_a_server_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: ADDRESS)
    made = CliRunner().invoke(train, ["--patience", "0.001", "--epochs", "1"])
    assert made.exit_code == 1
    assert "no tracking server answers at http://***@127.0.0.1:9" in made.output
    assert SECRET not in made.output


def test_a_token_that_mlflow_run_noted_is_masked(
    fresh_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient()
    experiment = client.create_experiment("given")
    tags = {
        "mlflow.source.name": f"https://{SECRET}@github.com/ana/mlp",
        "mlflow.source.git.repoURL": f"https://ana:{SECRET}@github.com/ana/mlp",
        "mlflow.user": "ana",
    }
    run_id = client.create_run(experiment, tags=tags).info.run_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    store = open_store("mlp", adopted=run_id)
    assert store.top_run("a run", "report") == run_id
    found = client.get_run(run_id).data.tags
    assert found["mlflow.source.git.repoURL"] == "https://***@github.com/ana/mlp"
    assert not [value for value in found.values() if SECRET in value]
    assert found["mlflow.user"] == "ana"
