"""What does a study of very many runs cost the driver, the scheduler and the tracking database?

    python -m benchmarks.scale --runs 10000 --workers 2

Starts PostgreSQL, an MLflow server, a Dask scheduler and workers of this machine. The pieces are
stubs: each run sleeps for 10 ms in the place of its training, and then is recorded as a real one of
20 epochs is, by the same calls, but without its pictures, its events and its model. What that takes
beyond the 10 ms is the price of a run to this project, Dask and MLflow. `--real` trains tiny
networks instead, and records all of each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import mlflow
import psutil

from benchmarks.parts import DaskWorker, Postgres, Scheduler, Server
from mlp.data.dataset import open_index
from mlp.execution.clusters import Dask
from mlp.execution.executor import run
from mlp.report import report
from mlp.settings.commands import ExecutorConfig
from mlp.settings.study import ReportConfig
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.plan import plan
from mlp.study.suite import Suite
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.tracker import MlflowTracker

ARMS = 8
# Loaded by each worker: stubs in the place of trainings
STUB = """
import time
import numpy as np
from mlflow.entities import Metric
from mlp.predictions import Evaluation
from mlp.execution import worker
from mlp.tracking import results
from mlp.study.tracker import Outcome
NAMES = ["train/loss", "train/accuracy", "val/loss", "val/accuracy", "time/epoch_seconds"]
NAMES += [f"optim/{name}" for name in "abcdefg"]
def stub(specs, datasets, tracker, progress, *limits):
    ended = {}
    data = datasets.get(specs[0].config)
    val = data.split.val
    for spec in specs:
        run_id = tracker.open_run(spec)
        (tracker.place.folder / spec.name).mkdir(parents=True)
        time.sleep(0.01)
        now = int(time.time() * 1000)
        values = [Metric(n, 0.5, now, e) for e in range(20) for n in NAMES]
        chances = np.random.default_rng().dirichlet(np.ones(len(data.classes)), len(val))
        answers = Evaluation(data.ids[val], data.labels[val], chances, data.classes)
        share = float((answers.predicted == answers.labels).mean())
        scores = {f"final/{n}": share for n in ("accuracy", "train_accuracy", "gap_accuracy")}
        facts = {"facts/distinct_units": 8.0, "facts/kept_epoch": 20.0, "facts/epochs": 20.0}
        values += [Metric(name, value, now, 0) for name, value in (scores | facts).items()]
        tracker.outbox.put("batch", run_id, {"metrics": values, "tags": {}, "params": {}})
        content = results.files(answers, scores, {})["predictions.parquet"]
        write = lambda folder: (folder / "predictions.parquet").write_bytes(content)
        tracker.outbox.put("artifacts", run_id, None, write)
        tracker.outbox.put("end", run_id, "FINISHED")
        done = Outcome.of(spec, "FINISHED", run_id, scores=scores, facts=facts)
        ended[spec.identity] = done
        progress.ended(spec, done, 20)
    return ended
worker.train_piece = stub
"""


@contextmanager
def clocked(what: str, runs: int, processes: dict[str, psutil.Process]) -> Iterator[None]:
    """Print how long something took, and what it cost each process."""

    def seconds(process: psutil.Process) -> float:
        # All parts are children of the driver; [:4] has those of other processes that have ended
        if process.pid == psutil.Process().pid:
            return float(sum(process.cpu_times()[:2]))
        family = [process, *process.children(recursive=True)]
        return float(sum(sum(p.cpu_times()[:4]) for p in family))

    before, began = {name: seconds(p) for name, p in processes.items()}, time.monotonic()
    yield
    took = time.monotonic() - began
    costs = ", ".join(
        f"{name} {1000 * (seconds(p) - before[name]) / runs:.1f}" for name, p in processes.items()
    )
    held = ", ".join(f"{n} {p.memory_info().rss / 2**20:.0f}" for n, p in processes.items())
    click.echo(f"{what}: {took:.1f} s, {1000 * took / runs:.1f} ms a run")
    click.echo(f"    CPU, ms a run: {costs}")
    click.echo(f"    memory, MiB: {held}")


@click.command(help=__doc__)
@click.option("--runs", default=10_000, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--real", is_flag=True, help="train networks of 8 units for 20 epochs")
def main(runs: int, workers: int, real: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="mlp-scale-") as name:
        folder = Path(name)
        (folder / "stub.py").write_text(STUB)
        postgres = Postgres()
        server = Server(postgres.url, folder / "server")
        scheduler = Scheduler(folder / "scheduler")
        environment = {"MLFLOW_TRACKING_URI": server.uri}
        options = ("--no-nanny",) if real else ("--no-nanny", "--preload", str(folder / "stub.py"))
        own = [
            DaskWorker(scheduler.address, folder / f"worker{k}", environment, options)
            for k in range(workers)
        ]
        try:
            _measure(runs, server, scheduler, postgres, folder)
        finally:
            for part in (*own, scheduler, server):
                part.kill()
            postgres.remove()


def _measure(
    runs: int, server: Server, scheduler: Scheduler, postgres: Postgres, folder: Path
) -> None:
    mlflow.set_tracking_uri(server.uri)
    base = RunConfig(threads=1, hidden=(8,))
    arms = tuple(Arm(f"arm{k}", {"dropout": k / 10}, "") for k in range(ARMS))
    processes = {
        "driver": psutil.Process(),
        "scheduler": psutil.Process(scheduler.process.pid),
        "server": psutil.Process(server.process.pid),
        "database": postgres.process,
    }
    seeds = tuple(range(runs // ARMS))
    empty = postgres.size()
    with clocked("planned", runs, processes):
        study = plan(Suite("scale", "", arms), base, seeds, open_index(base.data))
    store = open_store("mlp")
    tracker = MlflowTracker(store, study.label, folder / "runs", name="scale", single=False)
    executor = ExecutorConfig(executor="dask", address=scheduler.address)
    with clocked("plan recorded", runs, processes):
        tracker.plan(study.plan([]), study.split_table())
    with Dask(executor).connect(study.specs) as client:
        with clocked("trained and recorded", runs, processes):
            outcomes = run(study, tracker, client=client)
        assert {outcome.status for outcome in outcomes} == {"FINISHED"}
    with clocked("found again", runs, processes):
        again = run(study, tracker)
    assert [outcome.run_id for outcome in again] == [outcome.run_id for outcome in outcomes]
    with clocked("reported", runs, processes):
        made = report.publish(tracker.studies, tracker.studies.read(tracker.run_id), ReportConfig())
    tracker.end("FINISHED")
    click.echo(made.terminal)
    click.echo(f"database: {(postgres.size() - empty) / runs / 1024:.1f} KiB a run")


if __name__ == "__main__":
    main()
