"""Calls that wait for a server which is away, and make nothing twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlp.errors import ServerAway
from mlp.tracking.mlflow import waiting
from mlp.tracking.mlflow.waiting import WaitingClient, WaitLimit


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSES", (0.0,))


class Losing:
    """A server that does what it is asked for, and whose first answers are lost."""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.made: list[Any] = []

    def answer(self, found: Any) -> Any:
        self.losses -= 1
        if self.losses >= 0:
            raise requests.ConnectionError("reset by peer")
        return found

    def create_run(self, *_: object, **options: Any) -> Any:
        self.made.append(options)
        return self.answer(options)

    create_logged_model = create_run

    def search_runs(self, *_: object) -> Any:
        return self.answer(self.made)

    search_logged_models = search_runs


def connected(client: object, minutes: float = 1) -> WaitingClient:
    return WaitingClient(cast(MlflowClient, client), "http://server", WaitLimit(minutes))


@pytest.mark.parametrize("losses", [0, 1, 2, 3])
def test_nothing_is_made_twice_when_an_answer_is_lost(losses: int) -> None:
    server = Losing(losses)
    run = connected(server).create_run("1", tags={"a": "b"}, run_name="r")
    assert [run] == server.made
    server = Losing(losses)
    model = connected(server).create_logged_model("1", "m", "r", params={})
    assert [model] == server.made


def test_a_server_is_waited_for_as_long_as_told() -> None:
    with pytest.raises(ServerAway, match="http://server has not answered for 0 minutes"):
        connected(Losing(10), 0).create_run("1", tags={}, run_name="r")


class Files:
    """MLflow's client says that a file is not there whatever is wrong."""

    def __init__(self, files: list[str], failures: list[Exception | None]) -> None:
        self.files, self.failures = files, failures

    def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
        if self.failures or path not in self.files:
            raise MlflowException("no such file", RESOURCE_DOES_NOT_EXIST)
        return f"{folder}/{path}"

    def list_artifacts(self, run_id: str, path: str | None) -> list[SimpleNamespace]:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        within = [file for file in self.files if file.rpartition("/")[0] == (path or "")]
        return [SimpleNamespace(path=file) for file in within]


@pytest.mark.parametrize("path", ["a.csv", "figures/b.png"])
def test_a_download_waits_for_a_server_that_is_away(path: str) -> None:
    away = requests.ConnectionError("refused")
    server = Files(["a.csv", "figures/b.png"], [away, None, away])
    assert connected(server).download_artifacts("r", path, "to") == f"to/{path}"
    assert not server.failures


def test_a_file_that_is_not_there_is_not_waited_for() -> None:
    with pytest.raises(MlflowException, match="no such file"):
        connected(Files(["a.csv"], [])).download_artifacts("r", "b.csv", "to")
