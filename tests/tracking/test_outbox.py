"""Records that wait on disk for a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow.entities import Metric

from mlp.errors import ServerAway
from mlp.tracking.mlflow.outbox import Outbox, send_left
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.waiting import WaitLimit, connect


def store_at(uri: str) -> Store:
    """A store on a server that is not waited for."""
    limit = WaitLimit(0)
    return Store(connect(uri, limit), "1", uri, None, limit)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Store:
    """A server that nobody runs."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return store_at("http://127.0.0.1:9")


@pytest.fixture
def refusing() -> Iterator[Store]:
    """A server that knows of no run."""

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(404)
            self.end_headers()
            said = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"}
            self.wfile.write(json.dumps(said).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield store_at(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()


def leave(store: Store, folder: Path) -> None:
    """What a command leaves whose server is away for too long."""

    def write(place: Path) -> None:
        (place / "a.txt").write_text("kept")

    outbox = Outbox(store, folder, shared=False)
    outbox.put("batch", "r", {"metrics": [Metric("loss", 0.5, 1, 0)], "tags": {}, "params": {}})
    outbox.put("artifacts", "r", None, write)
    with pytest.raises(ServerAway, match="kept in"):
        outbox.deliver()
    outbox.close()
    # A command that fails at its end ends twice
    with pytest.raises(ServerAway, match="kept in"):
        outbox.deliver()
    outbox.close()


def kept(folder: Path) -> list[Path]:
    found = list(folder.rglob("a.txt"))
    assert [file.read_text() for file in found] == ["kept"]
    return found


def test_what_no_server_took_stays_on_disk(nowhere: Store, tmp_path: Path) -> None:
    leave(nowhere, tmp_path)
    kept(tmp_path)
    with pytest.raises(ServerAway):
        send_left(nowhere, tmp_path)
    kept(tmp_path)


def test_records_go_to_no_other_server(nowhere: Store, refusing: Store, tmp_path: Path) -> None:
    leave(nowhere, tmp_path)
    before = kept(tmp_path)
    send_left(refusing, tmp_path)
    assert kept(tmp_path) == before


def test_what_a_server_refuses_is_said_and_set_aside(
    nowhere: Store, refusing: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(nowhere, tmp_path)
    (server,) = tmp_path.rglob("server")
    server.write_text(refusing.uri)
    send_left(refusing, tmp_path)
    (file,) = kept(tmp_path)
    said = capsys.readouterr().out
    assert "no such run" in said
    assert str(file.relative_to(tmp_path).parts[0]) in said
    send_left(refusing, tmp_path)
    assert not capsys.readouterr().out


def test_outboxes_of_other_processes_may_come_and_go_meanwhile(
    nowhere: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "outboxes"
    folder.mkdir()
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            Outbox(nowhere, folder, shared=False).close()

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for other in others:
        other.start()
    try:
        for _ in range(300):
            send_left(nowhere, folder)
    finally:
        stop.set()
        for other in others:
            other.join()
    assert {place.name for place in folder.iterdir()} == {"lock"}
