"""Records that wait on disk for a server."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from mlp.tracking.outbox import Outbox, send_left
from mlp.tracking.patience import Patience, ServerAway, patient
from mlp.tracking.store import Store


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store on a server that nobody runs, which is not waited for."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri, patience = "http://127.0.0.1:9", Patience(0)
    return Store(patient(MlflowClient(uri), uri, patience), "1", uri, None, patience)


def test_what_no_server_took_stays_on_disk_and_is_said(nowhere: Store, tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "a.txt").write_text("kept")

    outbox = Outbox(nowhere, tmp_path, shared=False)
    outbox.metrics("r", [Metric("loss", 0.5, 1, 0)])
    outbox.artifacts("r", write)
    with pytest.raises(ServerAway, match="kept in"):
        outbox.deliver()
    outbox.close()
    assert [file.read_text() for file in tmp_path.rglob("a.txt")] == ["kept"]
    # It is this process's, which may still send it
    send_left(nowhere, tmp_path)
    assert list(tmp_path.rglob("a.txt"))


def test_outboxes_of_other_processes_may_come_and_go_meanwhile(
    nowhere: Store, tmp_path: Path
) -> None:
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            Outbox(nowhere, tmp_path, shared=False).close()

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for other in others:
        other.start()
    try:
        for _ in range(300):
            send_left(nowhere, tmp_path)
    finally:
        stop.set()
        for other in others:
            other.join()
