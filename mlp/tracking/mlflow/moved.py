"""A store whose folder was moved or copied: its files are looked for where they lie now.

MLflow keeps the absolute place of every run's files in its database. Without this, a project that
was moved would lose its files, and write new ones to where it was before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri, resolve_uri_if_local

_ROOT = "mlruns"  # where MLflow puts files by default: mlruns/<experiment>/<run>/artifacts
_LOCK_SECONDS = 30.0
_SELECT = {
    "runs": "SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ?",
    "models": "SELECT model_id, artifact_location FROM logged_models WHERE experiment_id = ?",
}
_UPDATE = {
    "runs": "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?",
    "models": "UPDATE logged_models SET artifact_location = ? WHERE model_id = ?",
    "versions": "UPDATE model_versions SET storage_location = ? WHERE source = 'models:/' || ?",
}


def follow(uri: str) -> str:
    """Correct the places in a SQLite store that was moved or copied together with its files.

    What has moved, in words; empty where nothing has. Only places of MLflow's default layout
    change, and those of a run or model only where it lies in the folder beside the database, or in
    the working directory. Stores of other kinds are left alone, and ones that cannot be written.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not path.is_file():
        return ""
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS)) as database:
            return "\n".join(_follow(database, path.parent))
    except sqlite3.Error:
        return ""


def _follow(database: sqlite3.Connection, folder: Path) -> Iterator[str]:
    found = database.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall()
    for number, location in found:
        before = _path(location)
        if before is None or before.parts[-2:] != (_ROOT, str(number)):
            continue
        places = [root / _ROOT / str(number) for root in (folder, Path.cwd())]
        now = next((place for place in places if place.is_dir()), places[0])
        if now.is_dir() and before.is_dir() and now.samefile(before):
            now = before  # as it is written there, perhaps by way of a link
        moved = {
            "runs": list(_moved(database, "runs", number, now)),
            "models": list(_moved(database, "models", number, now / "models")),
        }
        left = before != now and not _exists(before)
        # Only its mlruns was removed: it lies where it did
        gone = left and (not _exists(before.parents[1]) or folder == Path.cwd())
        if not gone and not any(moved.values()):
            continue
        with database:
            change = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?"
            database.execute(change, (_location(now), number))
            for what, rows in moved.items():
                database.executemany(_UPDATE[what], rows)
            # A version remembers where its model was
            database.executemany(_UPDATE["versions"], moved["models"])
        if moved["runs"]:
            yield (
                f"the files of {len(moved['runs'])} recorded runs are no longer in {before}: "
                f"they are used from {now}"
            )


def _moved(
    database: sqlite3.Connection, what: str, number: int, folder: Path
) -> Iterator[tuple[str, str]]:
    """Present place and id of the runs or models that lie in a folder, and are said not to."""
    for name, location in database.execute(_SELECT[what], (number,)).fetchall():
        now = folder / name / "artifacts"
        if _path(location) not in (None, now) and now.parent.is_dir():
            yield _location(now), name


def _path(location: str) -> Path | None:
    return Path(local_file_uri_to_path(location)) if is_local_uri(location) else None


def _location(path: Path) -> str:
    return str(resolve_uri_if_local(path.as_posix()))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # it cannot be used
