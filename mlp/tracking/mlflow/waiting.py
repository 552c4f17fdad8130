"""A client that waits while a tracking server is away, or a database is locked."""

from __future__ import annotations

import itertools
import posixpath
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from mlp import console
from mlp.errors import ServerAway, StoreUnusable
from mlp.escaping import masked

_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between attempts, the last one from then on
_MARK = "mlp.mark"  # a tag that tells a run made by a call which got no answer
LOCKED = ("database is locked", "database table is locked", "database schema is locked")
_COLLIDED = ("UNIQUE constraint failed", "duplicate key", "Duplicate entry")  # of each database
_COLLISIONS = 5  # in a row, after which it is another fault
_AWAY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")


def is_away(error: BaseException) -> bool:
    """Tell if a call failed for a reason that may pass: no answer, or an error of the server."""
    if isinstance(error, requests.RequestException):
        return error.response is None or error.response.status_code >= 500
    return isinstance(error, MlflowException) and error.error_code in _AWAY


def is_server(uri: str) -> bool:
    """Tell if a tracking URI names a server, which can go away, and not a file of this machine."""
    return uri.startswith(("http://", "https://"))


def database_file(uri: str) -> Path | None:
    """The SQLite file that a tracking URI names, None where it names something else."""
    scheme, _, rest = uri.partition(":///")
    name, _, query = rest.partition("?")
    named = scheme.split("+")[0] == "sqlite" and name not in ("", ":memory:")
    return Path(name).absolute() if named and "uri=" not in query else None


def is_locked(error: BaseException) -> bool:
    """Tell if another program keeps a SQLite database for itself, which may pass."""
    return any(text in str(error) for text in LOCKED)


def is_collision(error: BaseException) -> bool:
    """Tell if another process wrote the same new key at once: written again, it is found there."""
    refused = isinstance(error, MlflowException) and error.error_code == "BAD_REQUEST"
    return refused and any(text in str(error) for text in _COLLIDED)


@dataclass
class WaitLimit:
    """Minutes for which a server, or a locked database, is waited for; they may change."""

    minutes: float


def connect(uri: str, limit: WaitLimit) -> MlflowClient:
    """A client whose calls wait while the server of that URI is away, or the database locked.

    They raise ServerAway, StoreUnusable.
    """
    client = wait_for(partial(MlflowClient, uri), uri, limit)
    return cast(MlflowClient, WaitingClient(client, uri, limit))


class WaitingClient:
    """A client of MLflow whose calls wait."""

    def __init__(self, client: MlflowClient, uri: str, limit: WaitLimit) -> None:
        self._client, self._uri, self._limit = client, uri, limit

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return partial(self._wait_for, found) if callable(found) else found

    def create_run(self, experiment_id: str, tags: Mapping[str, str], run_name: str) -> Any:
        """One run, also where the server has made it and could not say so any more."""
        mark = uuid.uuid4().hex
        marked, tries = {**tags, _MARK: mark}, itertools.count()

        def create() -> Any:
            own = f"tags.`{_MARK}` = '{mark}'"
            if next(tries) and (made := self._client.search_runs([experiment_id], own)):
                return made[0]
            return self._client.create_run(experiment_id, tags=marked, run_name=run_name)

        return self._wait_for(create)

    def create_logged_model(self, experiment_id: str, name: str, run_id: str, **more: Any) -> Any:
        """The one model of a run: the one that it has already, else a new one."""

        def create() -> Any:
            own = f"source_run_id = '{run_id}'"
            # Only a server may have made it and not said so
            if is_server(self._uri) and (
                made := self._client.search_logged_models([experiment_id], own)
            ):
                return made[0]
            return self._client.create_logged_model(experiment_id, name, run_id, **more)

        return self._wait_for(create)

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> Any:
        """Files of a run. Raises MlflowException where there are none."""

        def download() -> Any:
            try:
                return self._client.download_artifacts(run_id, path, dst_path)
            except MlflowException as error:
                # Says so as well of a server that is away, which this call does not hide
                listed = self._client.list_artifacts(run_id, posixpath.dirname(path) or None)
                if any(path in ("", file.path) for file in listed):
                    said = f"{path} of run {run_id} cannot be had: {error.message}"
                    raise MlflowException(said, TEMPORARILY_UNAVAILABLE) from error
                raise

        return self._wait_for(download)

    def _wait_for(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return wait_for(partial(call, *args, **options), self._uri, self._limit)


def wait_for(call: Callable[[], Any], uri: str, limit: WaitLimit) -> Any:
    """The result of a call, as soon as a server answers, or no other program locks the database.

    A call that met another process which wrote the same is made again.

    Raises ServerAway, StoreUnusable.
    """
    server = is_server(uri)
    where = f"the tracking server {masked(uri)}" if server else str(database_file(uri))
    quiet = 1 if server else 0  # tries without a word: SQLite has waited by itself
    since, attempt, collisions = time.monotonic(), 0, 0
    while True:
        try:
            answer = call()
        except Exception as error:  # SQLAlchemy's as well, which MLflow hides in some calls
            if is_collision(error) and collisions < _COLLISIONS:
                collisions += 1
                continue
            if not (is_away(error) if server else is_locked(error)):
                raise
            if time.monotonic() - since > 60 * limit.minutes:
                if not server:
                    raise StoreUnusable(
                        f"{where} has been locked by another program for {limit.minutes:g} "
                        "minutes: end that program, and repeat the command"
                    ) from error
                told = f"{where} has not answered for {limit.minutes:g} minutes"
                raise ServerAway(told) from error
            if attempt == quiet:
                locked = f"{where} is locked by another program"
                told = f"{where} does not answer" if server else locked
                console.out(f"{told}: waiting for it")
            time.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1
            continue
        if server and attempt > quiet:
            console.out(f"{where} answers again")
        return answer
