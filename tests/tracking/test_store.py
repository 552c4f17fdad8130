"""The store at its beginning: made in one step, locked, deleted, full; what the dead leave."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import SqlTag
from sqlalchemy import event
from sqlalchemy.orm import Session

from benchmarks.parts import ROOT, SmallDisk, wait_until
from mlp.errors import StoreUnusable
from mlp.processes import remove_left, temporary_files, temporary_prefix
from mlp.tracking.mlflow import database, waiting
from mlp.tracking.mlflow.database import make_database, problem
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.waiting import database_file

OPEN = "from mlp.tracking.mlflow.store import open_store; print(open_store('mlp').experiment_id)"
needs_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to be root"
)


def opening(folder: Path) -> subprocess.Popen[str]:
    """A process that opens the store of a folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    return subprocess.Popen(
        [sys.executable, "-c", OPEN], cwd=folder, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def execute(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.slow
def test_a_store_that_is_killed_young_can_be_used(tmp_path: Path) -> None:
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = opening(folder)
        wait_until(lambda here=folder: any(here.iterdir()))  # type: ignore[misc]
        time.sleep(0.25 * number)
        process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        process.communicate()
        again = opening(folder)
        assert again.communicate()[0].endswith("1\n") and again.returncode == 0
        assert [file.name for file in folder.iterdir()] == ["mlflow.db"]


@pytest.mark.slow
def test_first_commands_at_once_share_one_store(tmp_path: Path) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    processes = [opening(folder) for _ in range(4)]
    for process in processes:
        assert process.communicate()[0].endswith("1\n") and process.returncode == 0
    assert [file.name for file in folder.iterdir()] == ["mlflow.db"]


def make_now(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a complete database be copied, which takes less time than making one."""
    complete = path.read_bytes()

    class Made:
        def __init__(self, uri: str, _: str) -> None:
            file = database_file(uri)
            assert file is not None
            file.write_bytes(complete)
            self.engine = self

        def dispose(self) -> None:
            pass

    monkeypatch.setattr(database, "SqlAlchemyStore", Made)


@pytest.mark.usefixtures("fresh_database")
def test_what_a_kill_ruined_is_put_aside_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("mlflow.db").absolute()
    make_now(path, monkeypatch)
    path.write_bytes(b"")
    assert open_store("mlp").experiment_id == "1"
    assert not list(Path().glob("*unfinished*"))
    execute(path, "DELETE FROM experiments WHERE experiment_id <> 0", "DROP TABLE alembic_version")
    ruined = path.read_bytes()
    os.utime(path, (0, 0))
    make_database(path, 0)
    assert Path("mlflow.db.unfinished1").read_bytes() == ruined
    execute(path, "SELECT version_num FROM alembic_version")


@pytest.mark.usefixtures("fresh_database")
@pytest.mark.parametrize("revision", ["451aebb31d03", "from the future"])
def test_a_database_of_another_mlflow_is_left_as_it_is(revision: str) -> None:
    path = Path("mlflow.db").absolute()
    open_store("mlp")
    execute(path, f"UPDATE alembic_version SET version_num = '{revision}'")
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="mlflow db upgrade sqlite:///"):
        open_store("mlp")
    assert path.read_bytes() == before


def test_what_is_no_database_of_mlflow_is_left_as_it_is() -> None:
    path = Path("mlflow.db").absolute()
    path.write_text("no database" * 100)
    with pytest.raises(StoreUnusable, match="is no database"):
        open_store("mlp")
    path.unlink()
    execute(path, "CREATE TABLE own (a)")
    with pytest.raises(StoreUnusable, match="something else"):
        open_store("mlp")
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnusable, match="cannot be opened"):
        open_store("mlp")


@pytest.mark.usefixtures("fresh_database")
def test_a_locked_database_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(database, "_SECONDS", 0.1)
    path = Path("mlflow.db").absolute()
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnusable, match="has been locked by another program for 0 minutes"):
        open_store("mlp", 0)
    timer = threading.Timer(1, holder.execute, ["ROLLBACK"])
    timer.start()
    assert open_store("mlp").experiment_id == "1"
    timer.join()
    holder.close()
    assert "mlflow.db is locked by another program: waiting for it" in capsys.readouterr().out


@pytest.mark.usefixtures("fresh_database")
def test_a_call_that_found_the_database_locked_is_repeated_and_makes_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_PAUSES", (0.0, 0.0))
    store = open_store("mlp")
    create, failures = MlflowClient.create_run, [1, 1]

    def locked(self: MlflowClient, *args: object, **options: object) -> object:
        if failures:
            failures.pop()
            raise MlflowException("(sqlite3.OperationalError) database is locked")
        return create(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "create_run", locked)
    store.new_run("a run", {})
    assert len(store.search("")) == 1
    failures.append(1)
    store.limit.minutes = -1
    with pytest.raises(StoreUnusable, match="has been locked"):
        store.new_run("another", {})


@pytest.mark.usefixtures("fresh_database")
def test_a_tag_that_another_process_makes_at_the_same_moment_is_written_over() -> None:
    store = open_store("mlp")
    run_id, path = store.new_run("a run", {}), str(Path("mlflow.db").absolute())
    others = [1]

    def between(session: Session, *_: object) -> None:
        if others and any(isinstance(made, SqlTag) for made in session.new):
            others.pop()
            with sqlite3.connect(path) as other:
                other.execute("INSERT INTO tags VALUES ('tries', 'other', ?)", (run_id,))
            other.close()

    event.listen(Session, "before_flush", between)
    try:
        store.client.set_tag(run_id, "tries", "own")
    finally:
        event.remove(Session, "before_flush", between)
    assert not others
    assert store.client.get_run(run_id).data.tags["tries"] == "own"


@pytest.mark.usefixtures("fresh_database")
def test_a_deleted_experiment_stays_deleted() -> None:
    store = open_store("mlp")
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(StoreUnusable, match="mlflow experiments restore --experiment-id 1`"):
        open_store("mlp")
    assert store.client.get_experiment("1").lifecycle_stage == "deleted"
    assert open_store("other").experiment_id == "2"


@pytest.mark.usefixtures("fresh_database")
def test_an_experiment_that_another_process_makes_first_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        MlflowClient, "get_experiment_by_name",
        lambda self, name: next(
            (e for e in self.search_experiments() if e.name == name and asked), asked.append(1)
        ),
    )  # fmt: skip
    asked: list[int] = []
    MlflowClient(mlflow.get_tracking_uri()).create_experiment("mlp")
    assert open_store("mlp").experiment_id == "1"


@needs_root
@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_disk_without_room_leaves_no_half_made_database(tmp_path: Path, state: str) -> None:
    disk = SmallDisk(tmp_path / "small")
    try:
        if state == "full":
            (disk.place / "filler").write_bytes(b"0" * (2**20 + 2**19 + 2**18))
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk.place)], check=True)
        with pytest.raises(StoreUnusable, match=r"mlflow\.db.*(make room|can be written)"):
            make_database(disk.place / "mlflow.db", 0)
        assert {p.name for p in disk.place.iterdir()} <= {"filler", ".mlflow.db.lock"}
    finally:
        disk.remove()


def test_each_failure_of_a_database_says_what_to_do() -> None:
    for said, advice in (
        ("database or disk is full", "make room"),
        ("attempt to write a readonly database", "make it and its folder writable"),
        ("unable to open database file", "its folder cannot be written"),
        ("database disk image is malformed", "damaged"),
        ("something else", ""),
    ):
        assert advice in problem(sqlite3.OperationalError(said))
    assert problem(sqlite3.OperationalError("something else")) == ""


def test_temporary_files_of_the_dead_are_removed_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alive = tmp_path / f"{temporary_prefix('mlp-')}abc"
    host, pid, started = alive.name.removeprefix("mlp-").rsplit("-", 3)[:3]
    dead = tmp_path / f"mlp-{host}-{pid}-{int(started) - 100}-abc"
    kept = [alive, tmp_path / "mlp-notes", tmp_path / f"mlp-elsewhere-{pid}-1-abc"]
    for folder in (dead, *kept):
        folder.mkdir()
        (folder / "file").touch()
    link = tmp_path / f"mlp-{host}-{pid}-1-link"
    link.symlink_to(tmp_path / "mlp-notes")
    with temporary_files():
        own = Path(tempfile.mkdtemp())
        assert own.parent.parent == tmp_path and os.environ["TMPDIR"] == str(own.parent)
    assert not own.parent.exists() and not dead.exists() and link.is_symlink()
    assert all((folder / "file").exists() for folder in kept)
    left = tmp_path / f".writing-{host}-{pid}-1-x"
    left.mkdir()
    (left / "index.parquet").touch()
    remove_left(tmp_path, ".writing-")
    assert not left.exists()
