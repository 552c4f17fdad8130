"""The SQLite file of the tracking store: made in one step, looked at before MLflow opens it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from itertools import count
from pathlib import Path

from filelock import Timeout
from mlflow.store.db.utils import _get_latest_schema_revision
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import get_tracking_uri

from mlp import console
from mlp.errors import StoreUnusable
from mlp.failures import KEPT
from mlp.processes import alone
from mlp.tracking.mlflow.waiting import LOCKED, WaitLimit, database_file, is_locked, wait_for

_SECONDS = 3.0  # for which one look at a database waits for another program
_SETTLED = 20.0  # seconds after which nobody is making what is not complete
_ARTIFACTS = "./mlruns"  # MLflow's own default
_ANOTHER = "set MLFLOW_TRACKING_URI to sqlite:/// and another file"
_ADVICE = {  # by what SQLite says
    "database or disk is full": f"the disk of {{path}} is full: make room; {KEPT}",
    "readonly database": "{path} cannot be written: make it and its folder writable, or set "
    "MLFLOW_TRACKING_URI to sqlite:/// and a file that can be written",
    "unable to open database file": "{path} cannot be opened, or its folder cannot be written: "
    f"make it and its folder readable and writable, or {_ANOTHER}",
    "disk I/O error": "the disk of {path} cannot be read or written: see that it is there and has "
    f"room; {KEPT}",
    "disk image is malformed": "{path} is damaged: put a copy of it in its place, or put it aside "
    "for a new one",
    "file is not a database": f"{{path}} is no database: put it aside, or {_ANOTHER}",
}
_CONTENT = {"runs": "true", "experiments": "experiment_id <> 0", "registered_models": "true"}


def make_database(path: Path, minutes: float) -> None:
    """Make an empty MLflow database unless there is one.

    MLflow's migrations cannot be repeated: the file is made under another name, and renamed when
    it is complete. What a killed process left at its place, without any run, is put aside.
    A locked database is waited for, so many minutes. Raises StoreUnusable.
    """
    complete = partial(_is_complete, path)
    settled = partial(wait_for, complete, f"sqlite:///{path.as_posix()}", WaitLimit(minutes))
    if settled():
        return
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(lock, f"{path} is being made by another process", 60 * minutes):
            if not settled():
                _make(path)
            with suppress(OSError):
                lock.unlink()  # who waits for it finds a complete database
    except Timeout:
        raise StoreUnusable(
            f"another process has been making {path} for {minutes:g} minutes: end it, and repeat "
            "the command"
        ) from None
    except OSError as error:
        raise StoreUnusable(
            f"cannot make {path}: {error.strerror or error}; make room, or set "
            "MLFLOW_TRACKING_URI to sqlite:/// and a file in a folder that can be written"
        ) from None


def _make(path: Path) -> None:
    new = path.with_name(f".{path.name}.new")
    try:
        _remove(new)  # of a process that was killed
        try:
            store = SqlAlchemyStore(f"sqlite:///{new.as_posix()}", _ARTIFACTS)
        except Exception as error:
            raise StoreUnusable(problem(error, path) or f"cannot make {path}: {error}") from error
        store.engine.dispose()
        if path.exists() and path.stat().st_size:
            names = (path.with_name(f"{path.name}.unfinished{number}") for number in count(1))
            aside = next(name for name in names if not name.exists())
            path.replace(aside)
            console.out(
                f"Note: {path} was never completed and holds no run: it is {aside.name} now, and "
                "an empty database has its place"
            )
        _remove(path)  # an old journal would be applied to the new one
        new.replace(path)
    finally:
        with suppress(OSError):  # on Windows, while a failed one is open
            _remove(new)


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _is_complete(path: Path) -> bool:
    """Tell if a database is one that this MLflow can use; not where nothing would be lost.

    Raises StoreUnusable for one that holds anything, and sqlite3.OperationalError where it is
    locked, or where another program is at making it.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return False
    try:
        with closing(sqlite3.connect(path, timeout=_SECONDS)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if not tables:
                return False
            found = None
            if "alembic_version" in tables:
                found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if found == (_get_latest_schema_revision(),):
                return True
            full = any(
                connection.execute(f"SELECT 1 FROM {name} WHERE {some} LIMIT 1").fetchone()
                for name, some in _CONTENT.items()
                if name in tables
            )
    except sqlite3.Error as error:
        if is_locked(error):
            raise
        raise StoreUnusable(problem(error, path) or f"cannot open {path}: {error}") from None
    if "experiments" not in tables and not any(t.startswith("alembic") for t in tables):
        raise StoreUnusable(f"{path} is a database of something else: {_ANOTHER}")
    if full:
        raise StoreUnusable(
            f"{path} was written by another version of MLflow: copy it, then run `mlflow db "
            f"upgrade sqlite:///{path.as_posix()}`; if that fails, install the MLflow that wrote it"
        )
    if abs(time.time() - path.stat().st_mtime) < _SETTLED:
        raise sqlite3.OperationalError(f"{LOCKED[0]}: it is being made")
    return False


def problem(error: BaseException, path: Path | None = None) -> str:
    """Advice where a SQLite database cannot be read or written; else empty."""
    path = path or database_file(get_tracking_uri())
    if path is None:
        return ""
    if is_locked(error):
        return f"{path} is locked by another program: end it, and repeat the command"
    known = (advice for text, advice in _ADVICE.items() if text in str(error))
    return next(known, "").format(path=path)
