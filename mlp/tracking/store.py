"""The MLflow store: where it is, the experiment, and runs that a dead process left behind."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mlflow
import psutil
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, ViewType
from mlflow.tracking.context.registry import resolve_tags

from mlp.tracking.pages import run_page
from mlp.tracking.patience import Patience, patient
from mlp.tracking.quoting import unquoted

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
    # Says the same as `Patience`, at length, while a server is away
    logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
    # A bar for each small file that is read, and a line for each run, would hide what matters
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # `Patience` says that it waits for a server, and for how long, and makes nothing twice
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


def open_store(experiment_name: str, minutes: float = 5) -> Store:
    """Open the store that MLflow is set to use, made on first use: mlflow.db in this folder.

    Under `mlflow run` the experiment and the run it chose are taken. A server that answers now and
    then goes away is waited for, so many minutes. Raises MlflowException.
    """
    _quiet()
    uri = mlflow.get_tracking_uri()
    if uri.startswith("sqlite:///"):
        # A relative path would mean another file to a process started elsewhere
        path = Path(uri.removeprefix("sqlite:///"))
        uri = f"sqlite:///{path.resolve().as_posix()}"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    # Taken out, or whatever this process starts would log into the same run
    adopted = os.environ.pop("MLFLOW_RUN_ID", None)
    experiment = os.environ.get("MLFLOW_EXPERIMENT_ID") if adopted else None
    if experiment is None:
        found = client.get_experiment_by_name(experiment_name)
        if found is not None and found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        experiment = found.experiment_id if found else client.create_experiment(experiment_name)
    patience = Patience(minutes)
    return Store(patient(client, uri, patience), experiment, uri, adopted, patience)


def this_process() -> str:
    """Machine, process id and the process's start, which together name one process for good."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"


def is_gone(process: str) -> bool:
    """Whether a process of this machine, named by `this_process`, has ended."""
    machine, pid, started = process.rsplit(" ", 2)
    if machine != socket.gethostname():
        return False
    try:
        found = psutil.Process(int(pid))
        return (
            found.status() == psutil.STATUS_ZOMBIE or abs(found.create_time() - float(started)) > 2
        )
    except psutil.NoSuchProcess:
        return True
