"""The SQLite file in which MLflow keeps runs: made whole or not at all, by one process."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.store.db.utils import _get_latest_schema_revision
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from mlp import console

_PREFIX = "sqlite:///"
_PAUSE = 0.5  # seconds
_SAID_AFTER = 2.0  # seconds of waiting
# MLflow writes every few moments while it makes a database; its own makers take no lock
_SETTLED = 15.0  # seconds
_PARTS = ("", "-journal", "-wal", "-shm")  # of a database: SQLite would apply them to a new one


class UnusableStore(Exception):
    """A tracking store that cannot be used, and what to do, in words for a person."""


def database_file(uri: str) -> Path | None:
    """The file that a tracking URI names, absolute; None where it names none."""
    if not uri.startswith(_PREFIX) or uri.startswith(f"{_PREFIX}:memory:"):
        return None
    return Path(uri.removeprefix(_PREFIX).partition("?")[0]).resolve()


@contextmanager
def ready(path: Path, minutes: float) -> Iterator[None]:
    """Hold the place of a database, in which MLflow then finds a whole one.

    MLflow cannot go on with one whose making was interrupted, nor make one twice at once: it is
    made beside its place and renamed. An unfinished one without runs is put aside. A database that
    another program has locked is waited for, so many minutes. Raises UnusableStore, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    wait = _Wait(path, minutes)
    with _alone(path, wait):
        for left in path.parent.glob(f".{path.name}-*"):
            shutil.rmtree(left, ignore_errors=True)
        while not _is_whole(path, wait):
            _make(path)
        yield


class _Wait:
    def __init__(self, path: Path, minutes: float) -> None:
        self._path, self._minutes = path, minutes
        self._began, self._said = time.monotonic(), ""

    def pause(self, why: str) -> None:
        """Wait a moment, and say so after some. Raises UnusableStore when it was long enough."""
        waited = time.monotonic() - self._began
        if waited > 60 * self._minutes:
            raise UnusableStore(
                f"{self._path} {why} for {self._minutes:g} minutes: end that program, then repeat "
                "the command"
            )
        if waited > _SAID_AFTER and why != self._said:
            self._said = why
            console.out(f"{self._path} {why}: waiting for it")
        time.sleep(_PAUSE)


@contextmanager
def _alone(path: Path, wait: _Wait) -> Iterator[None]:
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            wait.pause("is being opened by another command")
        except OSError:
            if not path.exists():
                raise
            break  # of a folder that can only be read, nobody makes a database there
    try:
        yield
    finally:
        lock.release()


def _is_whole(path: Path, wait: _Wait) -> bool:
    """Whether a database is there; one that was never finished is put aside."""
    while True:
        if not path.exists():
            _put_aside(path, "stale")
            return False
        try:
            with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as database:
                revision = _revision(database)
                if revision == _get_latest_schema_revision():
                    return True
                empty = _is_empty(database)
        except sqlite3.Error as error:
            if not is_locked(error):
                raise UnusableStore(
                    f"{path} cannot be read as a database of MLflow: {error}; move it away, or set "
                    "MLFLOW_TRACKING_URI to another"
                ) from None
            wait.pause("has been locked by another program")
            continue
        if not empty:
            raise UnusableStore(
                f"{path} is of another version of MLflow (its schema is {revision}): keep a copy, "
                f"then `mlflow db upgrade {_PREFIX}{path.as_posix()}`, or install the version that "
                "made it"
            )
        if time.time() - path.stat().st_mtime < _SETTLED:
            wait.pause("has been unfinished, as while MLflow makes it,")
            continue
        aside = _put_aside(path, "unfinished")
        console.out(f"{path} was never finished and has no runs: it is now {aside.name}")
        return False


def _revision(database: sqlite3.Connection) -> str:
    """The version of MLflow's tables, empty where they were not finished."""
    if not _count(database, "sqlite_master", "name = 'alembic_version'"):
        return ""
    found = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else ""


def _is_empty(database: sqlite3.Connection) -> bool:
    """Whether nothing would be lost with a database: no run, experiment or model of a person."""
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    for table, which in (
        ("runs", "1"),
        ("experiments", "name != 'Default'"),
        ("registered_models", "1"),
    ):
        if table in tables and _count(database, table, which):
            return False
    return True


def _count(database: sqlite3.Connection, table: str, which: str) -> int:
    return int(database.execute(f"SELECT COUNT(*) FROM {table} WHERE {which}").fetchone()[0])


def _put_aside(path: Path, why: str) -> Path:
    """Rename what is left of a database; its new place."""
    aside = path.with_name(f"{path.name}.{why}-{time.time():.0f}")
    for part in _PARTS:
        with suppress(FileNotFoundError):
            Path(f"{path}{part}").rename(f"{aside}{part}")
    return aside


def _make(path: Path) -> None:
    """Make an empty database where there is none; one that appears meanwhile stays."""
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        made = folder / path.name
        uri = f"{_PREFIX}{made.as_posix()}"
        MlflowClient(uri).search_experiments()  # makes it
        # Windows renames no open file
        SqlAlchemyStore._engine_map.pop(uri).dispose()
        try:
            path.hardlink_to(made)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                made.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_locked(error: BaseException) -> bool:
    """Whether a call failed because another program has locked the database."""
    return "database is locked" in str(error) or "database table is locked" in str(error)
