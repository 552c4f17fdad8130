"""A tracking server that asks who wants to record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from benchmarks.parts import Command, Server

pytestmark = pytest.mark.slow
ADMIN = "admin", "a password of the admin"
ANA = "ana", "a password of hers"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    own = {"MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1], "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key"}
    options = "--app-name", "basic-auth"
    made = Server(f"sqlite:///{folder / 'mlflow.db'}", folder, options=options, **own)
    yield made
    made.kill()


def call(server: Server, name: str, **values: str) -> None:
    """A call that only the admin may make."""
    answer = requests.post(f"{server.uri}/api/{name}", json=values, auth=ADMIN, timeout=60)
    assert answer.ok, answer.text


def train(server: Server, folder: Path, name: str, password: str, *options: str) -> Command:
    command = Command(
        "train", folder, "--epochs", "1", "--hidden", "8", "--threads", "1", *options,
        MLFLOW_TRACKING_URI=server.uri, MLFLOW_TRACKING_USERNAME=name,
        MLFLOW_TRACKING_PASSWORD=password, OMP_NUM_THREADS="1",
    )  # fmt: skip
    command.wait()
    assert "Traceback" not in command.text
    return command


def test_who_it_does_not_know_is_told_how_to_be_known(server: Server, tmp_path: Path) -> None:
    for name, password in (("", ""), (ADMIN[0], "a guess")):
        command = train(server, tmp_path, name, password)
        assert command.process.returncode == 1
        assert "wants a name and a password that it knows" in command.text
        assert "MLFLOW_TRACKING_USERNAME" in command.text


def test_who_may_not_record_is_told_whom_to_ask_and_records_once_that_is_done(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN[0])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN[1])
    client = MlflowClient(server.uri)
    assert train(server, tmp_path, *ADMIN).process.returncode == 0
    call(server, "2.0/mlflow/users/create", username=ANA[0], password=ANA[1])
    seed = "--seed", "1"
    refused = train(server, tmp_path, *ANA, *seed)
    assert refused.process.returncode == 1
    assert "does not let ana do that: ask for EDIT permission" in refused.text

    experiment = client.get_experiment_by_name("mlp")
    assert experiment is not None
    own = experiment.experiment_id
    assert len(client.search_runs([own])) == 1
    grant = {"resource_type": "experiment", "resource_id": own, "permission": "EDIT"}
    call(server, "3.0/mlflow/users/permissions/grant", username=ANA[0], **grant)
    allowed = train(server, tmp_path, *ANA, *seed, "--executor", "processes", "--workers", "1")
    assert allowed.process.returncode == 0, allowed.text
    assert {run.info.status for run in client.search_runs([own])} == {"FINISHED"}
