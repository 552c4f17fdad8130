"""Records of runs on their way to the tracking store: on disk until a server has them."""

from __future__ import annotations

import json
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

import requests
from filelock import FileLock, Timeout
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from mlp import console
from mlp.errors import ServerAway
from mlp.escaping import without_login
from mlp.processes import is_gone, remove_left, temporary_prefix, this_process
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.artifacts import keep, keep_once, local_folder
from mlp.tracking.mlflow.packaging import Packager
from mlp.tracking.mlflow.place import ONCE
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.waiting import is_server

_ENTRY, _FILES, _SERVER = "entry.json", "files", "server"
_PROCESS = "process"  # is not there any more when the process lives on, and sends no more
_REFUSED = ".refused"
_CLOSING_SECONDS = 30
_UNFINISHED = ".writing"
_NEW = "new-"

Write = Callable[[Path], None]  # makes files in a folder
# metrics, tags and parameters; files of a run; all that it leaves; the status of its end
Kind = Literal["batch", "artifacts", "result", "end"]
OF_RUN, OF_MODEL = "run", "model"  # folders of the files of a result


class Sender:
    """Gives records to the tracking store. Each may be given twice and counts once."""

    def __init__(self, store: Store, shared: bool, known: Path | None = None) -> None:
        """`shared`: other processes may end the runs of this one; `known`: see `keep_once`."""
        self.lost: set[str] = set()  # runs that were ended elsewhere
        self._client, self._shared, self._known = store.client, shared, known
        self._runs: dict[str, Run] = {}
        self._packager = Packager(store.client)

    def send(self, kind: Kind, run_id: str, value: Any, files: Path) -> None:
        """Record what was put into an Outbox, with the files of a folder."""
        client = self._client
        asked = self._shared and kind != "artifacts" and run_id not in self.lost
        if asked and client.get_run(run_id).info.status != "RUNNING":
            self.lost.add(run_id)
        if run_id in self.lost:
            return
        match kind:
            case "batch":
                self._log(run_id, [Metric(**each) for each in value["metrics"]], value)
            case "artifacts":
                keep(client, run_id, files, self.folder(run_id))
            case "result":
                self._keep_result(run_id, value, files)
            case "end":
                client.set_terminated(run_id, value)

    def _keep_result(self, run_id: str, value: dict[str, Any], files: Path) -> None:
        folder = self.folder(run_id)
        split = files / OF_RUN / names.SPLIT
        if folder and self._known and split.exists():
            keep_once(split, self._known)
        keep(self._client, run_id, files / OF_RUN, folder)
        metrics, numbers = ([Metric(**m) for m in value[part]] for part in ("metrics", "numbers"))
        if (files / OF_MODEL).exists():
            run, waiting = self._run(run_id), value["waiting_for"]
            run.data.params.update(value["params"])
            _, numbers = self._packager.log_model(run, files / OF_MODEL, numbers, waiting)
        self._log(run_id, [*metrics, *numbers], value)
        del self._runs[run_id]
        if value["status"]:
            self.send("end", run_id, value["status"], files)

    def _log(self, run_id: str, metrics: list[Metric], value: dict[str, Any]) -> None:
        tags = [RunTag(*tag) for tag in value["tags"].items()]
        params = [Param(*param) for param in value["params"].items()]
        self._client.log_batch(run_id, metrics, params, tags)

    def folder(self, run_id: str) -> Path | None:
        """That of a run's artifacts, None where it is not on this machine."""
        return local_folder(self._run(run_id).info.artifact_uri)

    def _run(self, run_id: str) -> Run:
        """A run as it was at some time while it trained."""
        if run_id not in self._runs:
            self._runs[run_id] = self._client.get_run(run_id)
        return self._runs[run_id]

    def close(self) -> None:
        """Tidy up."""
        self._packager.close()


class Outbox:
    """Records of runs, in order: sent at once to a file, and by a thread to a server.

    Nothing that is put here waits for a server. What it has not got yet is in a folder, from which
    `send_left` sends it should this process die.
    """

    def __init__(self, store: Store, folder: Path, shared: bool) -> None:
        """`folder` is that of all processes; `shared`: others may end the runs of this one."""
        self._sender = Sender(store, shared, folder.with_name(ONCE))
        self.lost = self._sender.lost
        self._error: Exception | None = None
        self._folder: Path | None = None
        if is_server(store.uri):
            folder.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=temporary_prefix(_NEW), dir=folder))
            (made / _PROCESS).write_text(this_process(), encoding="utf-8")
            (made / _SERVER).write_text(without_login(store.uri), encoding="utf-8")
            self._folder = made.rename(folder / made.name.removeprefix(_NEW))
            self._count = 0
            self._queue: queue.Queue[Path | None] = queue.Queue()
            self._closed = False
            self._thread = threading.Thread(target=self._send_all, daemon=True)
            self._thread.start()

    def put(
        self, kind: Kind, run_id: str, value: Any = None, write: Write = lambda folder: None
    ) -> None:
        """Record something of a run, with the files that `write` makes."""
        if self._error is not None and not isinstance(self._error, ServerAway):
            raise self._error
        entry = json.dumps((kind, run_id, value), default=Metric.to_dictionary)
        if self._folder is None:
            # On the disk of the artifacts, where what is written need not be copied
            has_files = kind in ("artifacts", "result")
            artifacts = self._sender.folder(run_id) if has_files else None
            beside = artifacts and artifacts.parent
            if beside:
                beside.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="mlp-run-", dir=beside) as name:
                write(Path(name))
                kind, run_id, value = json.loads(entry)
                self._sender.send(kind, run_id, value, Path(name))
            return
        place = self._folder / f"{self._count:08d}"
        self._count += 1
        unfinished = place.with_suffix(_UNFINISHED)
        (unfinished / _FILES).mkdir(parents=True)
        write(unfinished / _FILES)
        (unfinished / _ENTRY).write_text(entry, encoding="utf-8")
        unfinished.rename(place)
        self._queue.put(place)

    def deliver(self) -> None:
        """Wait until all is recorded. Raises ServerAway, or what went wrong."""
        if self._folder is None:
            return
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks:
                self._queue.all_tasks_done.wait(1)  # or Windows would not hear Ctrl-C
        if self._error is not None:
            if isinstance(self._error, ServerAway):
                raise ServerAway(
                    f"{self._error}; what is not recorded yet is kept in {self._folder} and sent "
                    "first when the command is repeated"
                ) from self._error
            raise self._error

    def close(self) -> None:
        """Tidy up. What is not delivered soon stays in its folder."""
        if self._folder is None:
            self._sender.close()
        elif not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join(_CLOSING_SECONDS)

    def _send_all(self) -> None:
        assert self._folder is not None
        while (place := self._queue.get()) is not None:
            try:
                if self._error is None:
                    _send(self._sender, place)
            except Exception as error:
                self._error = error
            finally:
                self._queue.task_done()
        with suppress(OSError):
            if self._error is None:
                # First, or others would take what is being removed for left
                (self._folder / _SERVER).unlink()
                shutil.rmtree(self._folder)
            else:
                (self._folder / _PROCESS).unlink()
            self._sender.close()
        self._queue.task_done()


def _entry(place: Path) -> tuple[Kind, str, Any]:
    kind, run_id, value = json.loads((place / _ENTRY).read_text(encoding="utf-8"))
    return kind, run_id, value


def _send(sender: Sender, place: Path) -> None:
    sender.send(*_entry(place), place / _FILES)
    shutil.rmtree(place)


def send_left(store: Store, folder: Path) -> None:
    """Send what processes that died could not; runs that were ended since are left as they are.

    `folder` is that of all processes' outboxes. What the server refuses is set aside, and said.
    Raises ServerAway.
    """
    if not is_server(store.uri) or not folder.exists():
        return
    try:
        with FileLock(folder / "lock", timeout=60 * store.limit.minutes):
            remove_left(folder, _NEW)
            for left in sorted(folder.glob("*/")):
                if _is_left(left, store.uri):
                    _send_folder(store, left)
    except Timeout:
        return  # another process is at it


def _is_left(folder: Path, uri: str) -> bool:
    """Tell if an outbox for a server is nobody's. Those of others come and go meanwhile."""
    process = None
    try:
        with suppress(FileNotFoundError):
            process = (folder / _PROCESS).read_text(encoding="utf-8")
        server = (folder / _SERVER).read_text(encoding="utf-8")
    except OSError:
        return False
    mine = server == without_login(uri)
    own = mine and folder.suffix != _REFUSED and not folder.name.startswith(_NEW)
    return own and (process is None or is_gone(process))


def _send_folder(store: Store, left: Path) -> None:
    complete = (p for p in left.iterdir() if (p / _ENTRY).is_file() and p.suffix != _UNFINISHED)
    places = sorted(complete)
    if places:
        console.out(f"sending {len(places)} records that an earlier command could not")
    aside = left.with_name(f"{left.name}{_REFUSED}")
    refused: set[str] = set()
    with closing(Sender(store, shared=True)) as sender:
        for place in places:
            _, run_id, _ = _entry(place)
            if run_id not in refused:
                try:
                    _send(sender, place)
                    continue
                except (MlflowException, requests.RequestException) as error:
                    console.out(
                        f"the tracking server refuses a record of run {run_id} ({error}): it and "
                        f"the following ones are kept in {aside}"
                    )
            # Not ended either, or it would look as if it were complete
            refused.add(run_id)
            aside.mkdir(exist_ok=True)
            place.rename(aside / place.name)
    shutil.rmtree(left, ignore_errors=True)
