"""The MLflow store: where it is, the experiment, and runs that a dead process left behind."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.tracking.context.registry import resolve_tags

from mlp import console
from mlp.errors import StoreUnusable
from mlp.escaping import line, masked
from mlp.processes import is_gone, this_process
from mlp.study.tracker import status_after
from mlp.tracking.mlflow.database import database_file, make_database
from mlp.tracking.mlflow.moved import follow
from mlp.tracking.mlflow.pages import run_page
from mlp.tracking.mlflow.quoting import unquoted
from mlp.tracking.mlflow.shell import command_line
from mlp.tracking.mlflow.waiting import WaitLimit, connect, is_server

KIND, IDENTITY, ARM, SEED = "mlp.kind", "mlp.identity", "mlp.arm", "mlp.seed"
STUDY, DATA, PROCESS = "mlp.study", "mlp.data", "mlp.process"
DIVERGED, REASON = "mlp.diverged", "mlp.reason"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
# Artifacts of a study's run: what it is made of, and what is said of it
PLAN, SPLIT = "study.json", "split.csv"
REPORT = (
    "report.html", "report.md", "comparison.csv", "comparison.json", "scores.csv", "figures"
)  # fmt: skip
_EXPERIMENT = "mlp"  # where nothing names another
_UI = "http://127.0.0.1:5000"  # where `mlflow ui` serves
COPIED = "Recorded before as "  # how the description of a copied run begins


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

    def top_run(self, name: str, tags: dict[str, str]) -> str:
        """The run of this command: the one `mlflow run` made, else a new one. Its id."""
        name = line(name)
        if self.adopted_run is None:
            return self.new_run(name, tags)
        # A pod that is started again goes on in the run of the one that died
        self.client.update_run(self.adopted_run, status="RUNNING")
        self.client.set_tag(self.adopted_run, "mlflow.runName", name)
        given = self.client.get_run(self.adopted_run).data.tags
        # MLflow names the project's address as it was typed, with a token perhaps
        shown = {key: masked(value) for key, value in given.items() if masked(value) != value}
        for key, value in {**shown, **tags, PROCESS: this_process()}.items():
            self.client.set_tag(self.adopted_run, key, value)
        return self.adopted_run

    @contextmanager
    def command_run(self, name: str, tags: dict[str, str]) -> Iterator[str]:
        """The `top_run` of a command, ended when the command is done, fails or is interrupted."""
        run_id = self.top_run(name, tags)
        try:
            yield run_id
        except BaseException as error:
            self.client.set_terminated(run_id, status_after(error))
            raise
        self.client.set_terminated(run_id)

    def new_run(self, name: str, tags: dict[str, str]) -> str:
        """A RUNNING run of this process. Its id."""
        every = {**resolve_tags(), **tags, PROCESS: this_process()}
        run = self.client.create_run(self.experiment_id, tags=every, run_name=name)
        run_id: str = run.info.run_id
        return run_id

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

    def search(self, filter_string: str, everywhere: bool = False) -> list[Run]:
        """All runs that match, of this experiment or of the whole store, newest first."""
        experiments = [self.experiment_id]
        if everywhere:
            experiments = [e.experiment_id for e in self.client.search_experiments()]
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                experiments,
                filter_string,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=1000,
                page_token=token,
            )
            runs.extend(page)
            token = page.token
            if not token:
                return runs

    def end_stale_runs(self) -> int:
        """End as KILLED the RUNNING runs of processes of this machine that are gone; how many.

        So are runs of other machines that were part of their work.
        """
        running = self.search(f"attributes.status = 'RUNNING' and tags.`{PROCESS}` LIKE '%'")
        gone = {run.info.run_id for run in running if is_gone(run.data.tags[PROCESS])}
        gone |= {run.info.run_id for run in running if run.data.tags.get(PARENT) in gone}
        for run_id in gone:
            self.client.set_terminated(run_id, "KILLED")
        return len(gone)

    def children(self, run_id: str, status: str) -> list[Run]:
        """The runs of a study that have a status: RUNNING, FINISHED, FAILED or KILLED."""
        return self.search(f"attributes.status = '{status}' and tags.`{PARENT}` = '{run_id}'")

    def page(self, run_id: str) -> str:
        """The address of a run of this experiment within the MLflow UI."""
        return run_page(self.experiment_id, run_id)

    def how_to_open(self, page: str) -> str:
        """Say what to type, and where to go, to see a page of the store."""
        if self.uri.startswith(("http://", "https://")):
            return f"MLflow:      {self.address.rstrip('/')}/{page}"
        shown = f"{_UI}/{page}"
        typed = command_line("mlflow", "ui", "--backend-store-uri", self.address)
        return f"MLflow:      {typed}\n             {shown}"


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
    _quiet()
    uri = mlflow.get_tracking_uri()
    path = database_file(uri)
    if path is not None:
        # A relative path would mean another file to a process started elsewhere
        uri = f"sqlite:///{path.as_posix()}"
    mlflow.set_tracking_uri(uri)
    limit = WaitLimit(minutes)
    if path is not None:
        make_database(path, minutes)
    moved = follow(uri)
    if moved:
        console.err(f"Note: {moved}")
    client = connect(uri, limit)
    experiment = os.environ.get("MLFLOW_EXPERIMENT_ID") if adopted else None
    if experiment is None:
        # A server that was never there is not waited for
        first = MlflowClient(uri) if is_server(uri) else client
        experiment = _experiment(first, experiment_name)
    return Store(client, experiment, uri, adopted, limit)


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
    found: str = client.get_experiment(number).name
    if name and name != found:
        raise MlflowException(
            f"MLFLOW_EXPERIMENT_ID is {number}, which is called {found!r}, and "
            f"MLFLOW_EXPERIMENT_NAME is {name!r}: unset one of them",
            INVALID_PARAMETER_VALUE,
        )
    return found
