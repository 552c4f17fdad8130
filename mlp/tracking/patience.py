"""A client of a tracking server that waits while the server is away."""

from __future__ import annotations

import os
import posixpath
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from tqdm import tqdm

from mlp.tracking.database import (
    StoreUnusable,
    database_file,
    is_locked,
    problem,
    still_locked,
)

_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between attempts, the last one from then on
_MARK = "mlp.mark"  # a tag that tells a run made by a call which got no answer
_AWAY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")


class ServerAway(Exception):
    """The tracking server has not answered for long enough; in words for a person."""


def is_away(error: BaseException) -> bool:
    """Whether a call failed for a reason that may pass: no answer, or an error of the server."""
    if isinstance(error, requests.RequestException):
        return error.response is None or error.response.status_code >= 500
    return isinstance(error, MlflowException) and error.error_code in _AWAY


def refusal(error: MlflowException) -> str:
    """What to do where a server is not there, or wants to know who asks, or a database fails."""
    uri = mlflow.get_tracking_uri()
    if not is_server(uri):
        return problem(error)
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


def is_server(uri: str) -> bool:
    """Whether a tracking URI names a server, which can go away, and not a file of this machine."""
    return uri.startswith(("http://", "https://"))


@dataclass
class Patience:
    """How long a server is waited for, which may change."""

    minutes: float


def patient(client: MlflowClient, uri: str, patience: Patience) -> MlflowClient:
    """The client, whose calls wait while the server of that URI is away, or its database locked.

    They raise ServerAway, or StoreUnusable.
    """
    if is_server(uri):
        return cast(MlflowClient, _Patient(client, uri, patience))
    file = database_file(uri)
    return client if file is None else cast(MlflowClient, _Unlocked(client, file, patience))


class _Unlocked:
    """Calls of a client that use a SQLite database.

    One that fails because another program has locked it has written nothing, and is repeated.
    """

    def __init__(self, client: MlflowClient, file: Path, patience: Patience) -> None:
        self._client, self._file, self._patience = client, file, patience

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return partial(self._wait_for, found) if callable(found) else found

    def _wait_for(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        since = time.monotonic()
        said = False
        while True:
            try:
                return call(*args, **options)
            except Exception as error:  # opening raises SQLAlchemy's own
                if not is_locked(error):
                    raise
                if time.monotonic() - since > 60 * self._patience.minutes:
                    raise StoreUnusable(still_locked(self._file, self._patience.minutes)) from error
            if not said:
                tqdm.write(f"{self._file} is locked by another program: waiting for it")
            said = True
            time.sleep(_PAUSES[1])


class _Once:
    """Makes something, unless an earlier call that got no answer has made it."""

    def __init__(self, create: Callable[[], Any], find: Callable[[], Sequence[Any]]) -> None:
        self._create, self._find, self._called = create, find, False

    def __call__(self) -> Any:
        found = self._find() if self._called else []
        self._called = True
        return found[0] if found else self._create()


class _Patient:
    def __init__(self, client: MlflowClient, uri: str, patience: Patience) -> None:
        self._client, self._uri, self._patience = client, uri, patience

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return partial(self._wait_for, found) if callable(found) else found

    def create_run(self, experiment_id: str, tags: Mapping[str, str], run_name: str) -> Run:
        """One run, also where the server has made it and could not say so any more."""
        mark = uuid.uuid4().hex
        create = self._client.create_run
        run: Run = self._wait_for(
            _Once(
                partial(create, experiment_id, tags={**tags, _MARK: mark}, run_name=run_name),
                partial(self._client.search_runs, [experiment_id], f"tags.`{_MARK}` = '{mark}'"),
            )
        )
        return run

    def create_logged_model(
        self, experiment_id: str, name: str, run_id: str, **options: Any
    ) -> LoggedModel:
        """The one model of a run, also where the server has made it and could not say so."""
        create = self._client.create_logged_model
        own = f"source_run_id = '{run_id}'"
        model: LoggedModel = self._wait_for(
            _Once(
                partial(create, experiment_id, name, run_id, **options),
                partial(self._client.search_logged_models, [experiment_id], own),
            )
        )
        return model

    def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
        """Files of a run. Raises MlflowException where there are none."""

        def download() -> str:
            try:
                return str(self._client.download_artifacts(run_id, path, folder))
            except MlflowException as error:
                # Says so as well of a server that is away, which this call does not hide
                listed = self._client.list_artifacts(run_id, posixpath.dirname(path) or None)
                if any(path in ("", file.path) for file in listed):
                    said = f"{path} of run {run_id} cannot be had: {error.message}"
                    raise MlflowException(said, TEMPORARILY_UNAVAILABLE) from error
                raise

        return str(self._wait_for(download))

    def _wait_for(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        since, attempt = time.monotonic(), 0
        while True:
            try:
                answer = call(*args, **options)
            except (MlflowException, requests.RequestException) as error:
                if not is_away(error):
                    raise
                if time.monotonic() - since > 60 * self._patience.minutes:
                    raise ServerAway(
                        f"the tracking server {self._uri} has not answered for "
                        f"{self._patience.minutes:g} minutes"
                    ) from error
                if attempt == 1:
                    tqdm.write(f"the tracking server {self._uri} does not answer: waiting for it")
                time.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
                attempt += 1
                continue
            if attempt > 1:
                tqdm.write(f"the tracking server {self._uri} answers again")
            return answer
