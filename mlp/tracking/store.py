"""The MLflow store: where it is, the experiment, and runs that a dead process left behind."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from mlp.processes import is_gone, this_process
from mlp.tracking.database import StoreUnusable, database_file, make_database
from mlp.tracking.pages import run_page
from mlp.tracking.patience import Patience, is_server, patient

KIND, IDENTITY, ARM, SEED = "mlp.kind", "mlp.identity", "mlp.arm", "mlp.seed"
STUDY, DATA, PROCESS, DIVERGED = "mlp.study", "mlp.data", "mlp.process", "mlp.diverged"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
# Artifacts of a study's run: what it is made of, and what is said of it
PLAN, SPLIT = "study.json", "split.csv"
REPORT = ("report.html", "report.md", "comparison.csv", "scores.csv", "figures")
_UI = "http://127.0.0.1:5000"  # where `mlflow ui` serves
COPIED = "Recorded before as "  # how the description of a copied run begins


@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment to record in."""

    client: MlflowClient
    experiment_id: str
    uri: str
    adopted_run: str | None  # the run that `mlflow run` made for this process
    patience: Patience

    def top_run(self, name: str, tags: dict[str, str]) -> str:
        """The run of this command: the one `mlflow run` made, else a new one. Its id."""
        if self.adopted_run is None:
            return self.new_run(name, tags)
        # A pod that is started again goes on in the run of the one that died
        self.client.update_run(self.adopted_run, status="RUNNING")
        self.client.set_tag(self.adopted_run, "mlflow.runName", name)
        for key, value in {**tags, PROCESS: this_process()}.items():
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
            if name not in present:
                params.append(Param(name, value))
            # mlflow run logs what was typed, quoted for a shell
            elif present[name].strip("'\"") != value and f"resolved/{name}" not in present:
                params.append(Param(f"resolved/{name}", value))
        self.client.log_batch(run_id, params=params)

    def log_dataset(
        self, run_id: str, name: str, digest: str, source: str, classes: int, context: str
    ) -> None:
        """Say on which data a run worked: `source` as it was given, `context` what for."""
        dataset = Dataset(
            name=name,
            digest=digest[:32],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps({"classes": classes}),
        )
        tag = InputTag("mlflow.data.context", context)
        self.client.log_inputs(run_id, [DatasetInput(dataset, [tag])])

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
        """What to type, and where to go, to see a page of the store."""
        if self.uri.startswith(("http://", "https://")):
            return f"MLflow:      {self.uri.rstrip('/')}/{page}"
        shown = f"{_UI}/{page}"
        return f"MLflow:      mlflow ui --backend-store-uri {self.uri}\n             {shown}"


def status_after(error: BaseException) -> Literal["FAILED", "KILLED"]:
    """How a run ends that was not finished: KILLED where a person, or the system, wanted so."""
    return "FAILED" if isinstance(error, Exception) else "KILLED"


def reopen(uri: str, experiment_id: str, minutes: float) -> Store:
    """The store that another process has opened."""
    mlflow.set_tracking_uri(uri)
    _quiet()
    patience = Patience(minutes)
    return Store(patient(MlflowClient(uri), uri, patience), experiment_id, uri, None, patience)


def _quiet() -> None:
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Say the same as `Patience`, at length, while a server is away or a database is locked
    for noisy in ("mlflow.system_metrics", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    # A bar for each small file that is read, and a line for each run, would hide what matters
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # `Patience` says that it waits for a server, and for how long, and makes nothing twice
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


def open_store(experiment_name: str, minutes: float = 5) -> Store:
    """Open the store that MLflow is set to use, made on first use: mlflow.db in this folder.

    Under `mlflow run` the experiment and the run it chose are taken. A server that answers now and
    then goes away is waited for, so many minutes, and so is a database that another program has
    locked. Raises MlflowException, StoreUnusable, ServerAway.
    """
    _quiet()
    uri, patience = mlflow.get_tracking_uri(), Patience(minutes)
    if uri.startswith("sqlite:///"):
        # A relative path would mean another file to a process started elsewhere
        path = Path(uri.removeprefix("sqlite:///"))
        uri = f"sqlite:///{path.resolve().as_posix()}"
    file = database_file(uri)
    if file is not None:
        make_database(file, minutes)
    mlflow.set_tracking_uri(uri)
    plain = MlflowClient(uri)
    # A server that is not there at the start is no reason to wait
    client = plain if is_server(uri) else patient(plain, uri, patience)
    # Taken out, or whatever this process starts would log into the same run
    adopted = os.environ.pop("MLFLOW_RUN_ID", None)
    experiment = os.environ.get("MLFLOW_EXPERIMENT_ID") if adopted else None
    if experiment is None:
        experiment = _experiment(client, experiment_name)
    return Store(patient(plain, uri, patience), experiment, uri, adopted, patience)


def _experiment(client: MlflowClient, name: str) -> str:
    """The id of an experiment, made if there is none. Raises StoreUnusable where it was deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            made: str = client.create_experiment(name)
        except MlflowException as error:
            found = client.get_experiment_by_name(name)
            # Unless another process made it just now
            if found is None:
                raise error from None
        else:
            return made
    if found.lifecycle_stage == "deleted":
        raise StoreUnusable(
            f"the experiment {name!r} was deleted: `mlflow experiments restore --experiment-id "
            f"{found.experiment_id}` brings it back, with its runs, or give --experiment-name "
            "another name"
        )
    identifier: str = found.experiment_id
    return identifier
