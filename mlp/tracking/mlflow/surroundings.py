"""Words for what goes wrong around the project: disks, permissions, servers, memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import mlflow
import requests
from mlflow.exceptions import MlflowException

from mlp.data.cache import cache_place
from mlp.escaping import masked
from mlp.failures import advice, is_out_of_memory
from mlp.tracking.mlflow.database import problem
from mlp.tracking.mlflow.waiting import is_away, is_server

_FULL_BYTES = 2**20  # a disk with less room is called full
_MEMORY_SETTINGS = ("hidden", "batch_size", "image_size", "arms_at_once", "workers")


def in_words(error: BaseException, settings: Collection[str], places: Sequence[str]) -> str:
    """Say in one line what went wrong and what to do; empty where the surroundings had no part.

    `settings` are the names of those that the command has, `places` the folders it was told of.
    """
    if isinstance(error, requests.HTTPError):
        return f"MLflow: {error}"
    every = list(_chain(error))
    for each in every:
        if isinstance(each, OSError) and advice(each):
            return _of_file(each, places)
    if database := next(filter(None, map(problem, every)), ""):
        return database
    for each in every:
        if is_out_of_memory(each):
            smaller = [f"--{f.replace('_', '-')}" for f in _MEMORY_SETTINGS if f in settings]
            less = f"a smaller {', '.join(smaller)}" if smaller else "fewer or smaller images"
            said = f"; {str(each).strip().splitlines()[0]}" if str(each).strip() else ""
            return f"memory does not suffice: try {less}{said}"
    if isinstance(error, MlflowException):
        return _of_server(error) or f"MLflow: {' '.join(str(error.message).split())}"
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _of_file(error: OSError, places: Sequence[str]) -> str:
    place = error.filename2 or error.filename
    if place is not None:
        shown = os.fsdecode(place) if isinstance(place, bytes) else place
        return f"{shown}: {error.strerror}; {advice(error)}"
    # Python does not always say which disk is full
    every = [*map(Path, places), Path.cwd(), Path(tempfile.gettempdir()), cache_place()]
    full = [str(p) for p in every if p.exists() and shutil.disk_usage(p).free < _FULL_BYTES]
    return f"{', '.join(full) or 'a file'}: {error.strerror}; {advice(error)}"


def _of_server(error: MlflowException) -> str:
    """Advice where a server is not there, or wants to know who asks; else empty."""
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
