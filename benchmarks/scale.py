"""What does a study of very many runs cost the driver, the scheduler and the tracking database?

    python -m benchmarks.scale --runs 10000 --workers 2

Starts PostgreSQL, an MLflow server, a Dask scheduler and workers of this machine. The pieces are
stubs: each run sleeps for 10 ms in the place of its training, and then is recorded as a real one of
20 epochs is, by the same calls, but without its pictures and its model. How long that takes the
server is the price of a run; the rest is what this project and Dask add.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import mlflow
import numpy as np
import psutil

from benchmarks.parts import DaskWorker, Postgres, Scheduler, Server
from mlp.config import RunConfig
from mlp.data.dataset import open_index
from mlp.options import ExecutorConfig
from mlp.study import execution
from mlp.study.planning import plan
from mlp.study.suite import Arm, Suite
from mlp.tracking.mlflow_tracker import MlflowTracker
from mlp.tracking.store import open_store

ARMS = 8
# Loaded by each worker: stubs in the place of trainings
STUB = """
import time
from mlp.study import worker
NAMES = [f"{side}/{name}" for side in ("train", "val", "optim") for name in "abcd"]
def stub(specs, datasets, tracker, progress, arms_at_once=0):
    from mlflow.entities import Metric
    from mlp.tracking.interface import Outcome
    ended = {}
    for spec in specs:
        run_id = tracker._open(spec, 1000)
        time.sleep(0.01)
        now = int(time.time() * 1000)
        values = [Metric(n, 0.5, now, e) for e in range(20) for n in NAMES]
        scores = {"final/accuracy": 0.5, "final/epochs": 20.0}
        values += [Metric(name, value, now, 0) for name, value in scores.items()]
        tracker.outbox.metrics(run_id, values)
        tracker.outbox.end(run_id, "FINISHED")
        done = Outcome(spec.arm, spec.config.seed, spec.identity, "FINISHED", run_id, scores)
        ended[spec.identity] = done
        progress.ended(spec, done, 20)
    return ended
worker.train_piece = stub
"""


@contextmanager
def clocked(what: str, runs: int, processes: dict[str, psutil.Process]) -> Iterator[None]:
    """Print how long something took, and what it cost each process."""

    def seconds(process: psutil.Process) -> float:
        family = [process, *process.children(recursive=True)]
        return float(sum(sum(p.cpu_times()[:2]) for p in family))

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
def main(runs: int, workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="mlp-scale-") as name:
        folder = Path(name)
        (folder / "stub.py").write_text(STUB)
        postgres = Postgres()
        server = Server(postgres.url, folder / "server")
        scheduler = Scheduler(folder / "scheduler")
        environment = {"MLFLOW_TRACKING_URI": server.uri}
        options = ("--no-nanny", "--preload", str(folder / "stub.py"))
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
    base = RunConfig(threads=1)
    arms = tuple(Arm(f"arm{k}", {"dropout": k / 10}, "") for k in range(ARMS))
    processes = {
        "driver": psutil.Process(),
        "scheduler": psutil.Process(scheduler.process.pid),
        "server": psutil.Process(server.process.pid),
        "database": postgres.process,
    }
    seeds = tuple(range(runs // ARMS))
    with clocked("planned", runs, processes):
        study = plan(Suite("scale", "", arms), base, seeds, open_index(base.data))
    store = open_store("mlp")
    tracker = MlflowTracker(store, study.label, folder / "runs", name="scale", single=False)
    executor = ExecutorConfig(executor="dask", address=scheduler.address)
    with clocked("plan recorded", runs, processes):
        tracker.plan(study.plan([]), study.split_table())
    with execution.cluster(executor, base) as client:
        with clocked("trained and recorded", runs, processes):
            outcomes = execution.run(study, tracker, client=client)
        assert {outcome.status for outcome in outcomes} == {"FINISHED"}
    with clocked("found again", runs, processes):
        again = execution.run(study, tracker)
    assert all(outcome.reused for outcome in again) and len(again) == len(outcomes)
    tracker.end("FINISHED")
    click.echo(f"database: {postgres.size() / runs / 1024:.1f} KiB a run")
    values = [outcome.scores["final/accuracy"] for outcome in again]
    assert np.mean(values) == 0.5


if __name__ == "__main__":
    main()
