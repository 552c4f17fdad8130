"""What goes wrong around the project: full disks, folders without permission, servers, memory."""

from __future__ import annotations

import errno
import os
import re
import sqlite3

import mlflow
import requests
from mlflow.exceptions import MlflowException

from mlp.escaping import masked
from mlp.tracking.database import database_file
from mlp.tracking.patience import is_away, is_server

_AGAIN = "then repeat the command: what has finished is kept"
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), f"make room, {_AGAIN}"),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "allow it, or choose another folder (--runs-dir, MLP_CACHE, MLFLOW_TRACKING_URI, TMPDIR)",
    ),
    **dict.fromkeys((errno.EIO, errno.ESTALE), f"look after that disk, {_AGAIN}"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), f"allow more of them (ulimit -n), {_AGAIN}"),
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG),
        "move that away, or choose another folder (--runs-dir, MLP_CACHE, TMPDIR)",
    ),
}
# What SQLite says, and what to do
_DATABASE = {
    "disk is full": f"the disk is full; make room, {_AGAIN}",
    "readonly database": "it may not be written; allow that, or set MLFLOW_TRACKING_URI to another",
    "unable to open database file": "it cannot be opened; allow that, or set MLFLOW_TRACKING_URI "
    "to another",
    "disk I/O error": f"the disk fails, or is full; see to it, {_AGAIN}",
    "malformed": "it is damaged; move it away, or put a copy in its place",
    "not a database": "it is no database; move it away, or set MLFLOW_TRACKING_URI to another",
    "no such table": "its tables are gone; move it away, or put a copy in its place",
}


def in_words(error: BaseException) -> str:
    """What went wrong and what to do, in one line; empty where the surroundings had no part."""
    if isinstance(error, requests.HTTPError):
        return f"MLflow: {error}"
    every = list(_chain(error))
    for each in every:
        if isinstance(each, OSError) and each.errno in _ADVICE:
            where = each.filename or "a file"
            if isinstance(where, bytes):
                where = os.fsdecode(where)
            return f"{where}: {str(each.strerror).lower()}; {_ADVICE[each.errno]}"
    for each in every:
        if _of_database(each):
            said = next((text for sign, text in _DATABASE.items() if sign in str(each)), "")
            if said:
                return f"{database_file(mlflow.get_tracking_uri())}: {said}"
    if any(_of_memory(each) for each in every):
        return (
            "not enough memory: choose smaller values of hidden, image_size, batch_size or "
            f"arms_at_once, or end other programs, {_AGAIN}"
        )
    if isinstance(error, MlflowException):
        return _refusal(error) or f"MLflow: {' '.join(str(error.message).split())}"
    return ""


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _of_database(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) or "sqlite3." in str(error)


def _of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and bool(re.search(r"not enough memory|can't allocate memory|out of memory", str(error)))
    )


def _refusal(error: MlflowException) -> str:
    """What to do where a server is not there, or wants to know who asks; else empty."""
    uri = mlflow.get_tracking_uri()
    if not is_server(uri):
        return ""
    uri = masked(uri)
    if error.error_code in ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"):
        return (
            f"the tracking server {uri} wants a name and a password that it knows: set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if error.error_code == "PERMISSION_DENIED":
        user = os.environ.get("MLFLOW_TRACKING_USERNAME", "this user")
        return (
            f"the tracking server {uri} does not let {user} do that: ask for EDIT permission on "
            f"the experiment ({error.message})"
        )
    if is_away(error):
        return (
            f"no tracking server answers at {uri}: start it, or take back MLFLOW_TRACKING_URI to "
            f"record in mlflow.db of this folder ({error.message})"
        )
    return ""
