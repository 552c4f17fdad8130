"""The MLflow store: where it is, the experiment, and runs that a dead process left behind."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils import get_results_from_paginated_fn

from mlp import console
from mlp.errors import StoreUnusable
from mlp.escaping import line, masked
from mlp.processes import is_gone, this_process
from mlp.study.tracker import Files, Numbers, status_after
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.database import make_database
from mlp.tracking.mlflow.moved import follow
from mlp.tracking.mlflow.pages import command_line, run_page
from mlp.tracking.mlflow.quoting import unquoted
from mlp.tracking.mlflow.waiting import WaitLimit, connect, database_file, is_server

_EXPERIMENT = "mlp"  # where nothing names another
_UI = "http://127.0.0.1:5000"  # where `mlflow ui` serves
_REFUSED = r"[^\w./ -]"  # in the name of a metric, by MLflow, whereas arms may be called a=1,b=2


def now() -> int:
    """Milliseconds of the epoch, in which MLflow counts time."""
    return int(time.time() * 1000)


def timed(values: Numbers, step: int) -> list[Metric]:
    """Numbers by name, logged now at a step."""
    moment = now()
    return [Metric(name, value, moment, step) for name, value in values.items()]


@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment to record in."""

    client: MlflowClient
    experiment_id: str
    uri: str
    adopted_run: str | None  # the run that `mlflow run` made for this process
    limit: WaitLimit

    @property
    def address(self) -> str:
        """Its address, as it may be shown."""
        return masked(self.uri)

    def top_run(self, name: str, kind: str, study: str = "") -> str:
        """The run of this command: the one `mlflow run` made, else a new one. Its id."""
        name, tags = line(name), {names.KIND: kind}
        if study:
            tags[names.STUDY] = study
        if self.adopted_run is None:
            return self.new_run(name, tags)
        # A pod that is started again goes on in the run of the one that died
        self.client.update_run(self.adopted_run, status="RUNNING")
        self.client.set_tag(self.adopted_run, "mlflow.runName", name)
        given = self.client.get_run(self.adopted_run).data.tags
        # MLflow names the project's address as it was typed, with a token perhaps
        shown = {key: masked(value) for key, value in given.items() if masked(value) != value}
        for key, value in {**shown, **tags, names.PROCESS: this_process()}.items():
            self.client.set_tag(self.adopted_run, key, value)
        return self.adopted_run

    @contextmanager
    def command_run(self, name: str, kind: str) -> Iterator[str]:
        """The `top_run` of a command, ended when the command is done, fails or is interrupted."""
        run_id = self.top_run(name, kind)
        try:
            yield run_id
        except BaseException as error:
            self.client.set_terminated(run_id, status_after(error))
            raise
        self.client.set_terminated(run_id)

    def new_run(self, name: str, tags: dict[str, str]) -> str:
        """A RUNNING run of this process. Its id."""
        every = {**resolve_tags(), **tags, names.PROCESS: this_process()}
        run = self.client.create_run(self.experiment_id, tags=every, run_name=name)
        return str(run.info.run_id)

    def log_params(self, run_id: str, values: dict[str, str]) -> None:
        """Log parameters; one that `mlflow run` has logged otherwise goes to `resolved/<name>`."""
        adopted = run_id == self.adopted_run
        present = self.client.get_run(run_id).data.params if adopted else {}
        params = []
        for name, value in values.items():
            logged = present.get(name, value)
            if name not in present:
                params.append(Param(name, value))
            # mlflow run logs what was typed, quoted for a shell; some names look quoted themselves
            if unquoted(logged) != value and f"resolved/{name}" not in present:
                params.append(Param(f"resolved/{name}", value))
        self.client.log_batch(run_id, params=params)

    def log_dataset(
        self, run_id: str, name: str, digest: str, source: str, classes: int, context: str
    ) -> None:
        """Say on which data a run worked: `source` as it was given, `context` what for."""
        dataset = Dataset(
            name=line(name),
            digest=digest[:32],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps({"classes": classes}),
        )
        tag = InputTag("mlflow.data.context", context)
        inputs = [DatasetInput(dataset, [tag])]
        try:
            self.client.log_inputs(run_id, inputs)
        except MlflowException as error:
            if "UNIQUE constraint" not in str(error):
                raise
            # Another command has made the same data set just now
            self.client.log_inputs(run_id, inputs)

    def report(
        self, run_id: str, description: str, files: Files, numbers: Numbers | None = None
    ) -> None:
        """Make a report the description and the artifacts of a run, in the place of an earlier one.

        `numbers` are what it says in numbers.
        """
        named = {re.sub(_REFUSED, " ", name): value for name, value in (numbers or {}).items()}
        self.client.log_batch(run_id, metrics=timed(named, 0))
        said = self.client.get_run(run_id).data.tags.get(names.NOTE, "")
        # A single run that was copied has said so there
        copied = said.partition("\n\n")[0] if said.startswith(names.COPIED) else ""
        note = f"{copied}\n\n{description}" if copied else description
        self.client.set_tag(run_id, names.NOTE, note)
        with tempfile.TemporaryDirectory(prefix="mlp-report-") as folder:
            for name, content in files.items():
                file = Path(folder, name)
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(content)
            self.client.log_artifacts(run_id, folder)

    def read(self, run_id: str, path: str) -> io.BytesIO:
        """A file of a run. Raises MlflowException, OSError where it cannot be had."""
        with tempfile.TemporaryDirectory(prefix="mlp-file-") as folder:
            file = self.client.download_artifacts(run_id, path, folder)
            return io.BytesIO(Path(file).read_bytes())

    def search(self, filter_string: str, everywhere: bool = False) -> list[Run]:
        """All runs that match, of this experiment or of the whole store, newest first."""
        experiments = [self.experiment_id]
        if everywhere:
            experiments = [e.experiment_id for e in self.client.search_experiments()]

        def page(most: int, token: str | None) -> Any:
            search = self.client.search_runs
            return search(experiments, filter_string, max_results=most, page_token=token)

        return list(get_results_from_paginated_fn(page, 1000))

    def end_stale_runs(self) -> int:
        """End as KILLED the RUNNING runs of processes of this machine that are gone; how many.

        So are runs of other machines that were part of their work.
        """
        running = self.search(f"attributes.status = 'RUNNING' and tags.`{names.PROCESS}` LIKE '%'")
        gone = {run.info.run_id for run in running if is_gone(run.data.tags[names.PROCESS])}
        gone |= {run.info.run_id for run in running if run.data.tags.get(names.PARENT) in gone}
        for run_id in gone:
            self.client.set_terminated(run_id, "KILLED")
        return len(gone)

    def children(self, run_id: str, status: str) -> list[Run]:
        """The runs of a study that have a status: RUNNING, FINISHED, FAILED or KILLED."""
        return self.search(f"attributes.status = '{status}' and tags.`{names.PARENT}` = '{run_id}'")

    def page(self, run_id: str) -> str:
        """The address of a run of this experiment within the MLflow UI."""
        return run_page(self.experiment_id, run_id)

    @property
    def ui(self) -> str:
        """The address of the MLflow UI: of the server, or of the one that `mlflow ui` starts."""
        return self.address.rstrip("/") if is_server(self.uri) else _UI

    def how_to_open(self, page: str) -> str:
        """Say what to type, and where to go, to see a page of the store."""
        if is_server(self.uri):
            return f"MLflow:      {self.ui}/{page}"
        typed = command_line("mlflow", "ui", "--backend-store-uri", self.address)
        return f"MLflow:      {typed}\n             {self.ui}/{page}"


def reopen(uri: str, experiment_id: str, minutes: float) -> Store:
    """The store that another process has opened."""
    mlflow.set_tracking_uri(uri)
    _quiet()
    limit = WaitLimit(minutes)
    return Store(connect(uri, limit), experiment_id, uri, None, limit)


def _quiet() -> None:
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Shows the stack of what is waited for, or told in a sentence
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # Says the same as the waiting client, at length, while a server is away
    logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)


def open_store(experiment_name: str, minutes: float = 5, adopted: str | None = None) -> Store:
    """Open the store that MLflow is set to use, made on first use: mlflow.db in this folder.

    `adopted`: the run that `mlflow run` made for this process; its experiment is taken. Else an
    empty name stands for what the variables of MLflow name, or mlp. A server that answers now and
    then goes away is waited for, so many minutes, and so is a database that is locked. Raises
    StoreUnusable, MlflowException, ServerAway, OSError.
    """
    client, uri, limit = open_client(minutes)
    experiment = os.environ.get("MLFLOW_EXPERIMENT_ID") if adopted else None
    if experiment is None:
        # A server that was never there is not waited for
        first = MlflowClient(uri) if is_server(uri) else client
        experiment = _experiment(first, experiment_name)
    return Store(client, experiment, uri, adopted, limit)


def open_client(minutes: float) -> tuple[MlflowClient, str, WaitLimit]:
    """A client of the store that MLflow is set to use, its address, and how long it is waited for.

    Raises StoreUnusable, ServerAway, OSError.
    """
    _quiet()
    uri = mlflow.get_tracking_uri()
    path = database_file(uri)
    if path is not None:
        # A relative path would mean another file to a process started elsewhere
        uri = f"sqlite:///{path.as_posix()}"
        make_database(path, minutes)
    mlflow.set_tracking_uri(uri)
    if moved := follow(uri):
        console.err(f"Note: {moved}")
    limit = WaitLimit(minutes)
    return connect(uri, limit), uri, limit


def _experiment(client: MlflowClient, name: str) -> str:
    """The id of an experiment, made where there is none. Raises StoreUnusable if it was deleted."""
    name = name or _from_environment(client)
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            # Of two commands at once, the other one has made it
            found = client.get_experiment_by_name(name)
            if found is None:
                raise error
    if found.lifecycle_stage == "deleted":
        number = found.experiment_id
        raise StoreUnusable(
            f"the experiment {name!r} was deleted: `mlflow experiments restore --experiment-id "
            f"{number}` brings it back, with its runs, or give --experiment-name another name"
        )
    return str(found.experiment_id)


def _from_environment(client: MlflowClient) -> str:
    """The experiment that the variables of MLflow name, as MLflow reads them, else mlp.

    Raises MlflowException where they contradict one another.
    """
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if not number:
        return name or _EXPERIMENT
    found = str(client.get_experiment(number).name)
    if name and name != found:
        raise MlflowException(
            f"MLFLOW_EXPERIMENT_ID is {number}, which is called {found!r}, and "
            f"MLFLOW_EXPERIMENT_NAME is {name!r}: unset one of them",
            INVALID_PARAMETER_VALUE,
        )
    return found
