"""What share of a study's time goes to MLflow and TensorBoard?

    python -m benchmarks.tracking_overhead --data ../shared/data/skin-smol --hidden 512,128

Runs the regularization suite under three seeds in turn with the real tracker, on a fresh store, and
with one that only keeps records in memory, several times; prints the median of both, and how long
the tracker's own calls took, which a noisy machine disturbs less. Making the database, which
happens once a store, is timed apart.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from statistics import median

import click
import mlflow

from mlp.data.dataset import open_index
from mlp.execution.executor import run
from mlp.settings.training import RunConfig
from mlp.study.plan import Study, plan
from mlp.study.suite import find_suite
from mlp.study.tracker import Tracker
from mlp.tracking.memory import MemoryTracker
from mlp.tracking.mlflow.run import MlflowRun
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.tracker import MlflowTracker

SEEDS = (0, 1, 2)


def seconds(study: Study, tracker: Tracker) -> float:
    """Time to train all arms."""
    start = time.perf_counter()
    run(study, tracker, retrain=True)
    return time.perf_counter() - start


class Stopwatch:
    """The seconds that some functions take together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, owner: type, name: str) -> None:
        """Time every call of a method from now on."""
        method: Callable[..., object] = getattr(owner, name)

        @wraps(method)
        def timed(*given: object, **named: object) -> object:
            start = time.perf_counter()
            try:
                return method(*given, **named)
            finally:
                self.seconds += time.perf_counter() - start

        setattr(owner, name, timed)


@click.command(help=__doc__)
@click.option("--data", default="digits", show_default=True)
@click.option("--epochs", default=30, show_default=True)
@click.option("--hidden", default="", help="Widths of the hidden layers.")
@click.option("--repeats", default=3, show_default=True)
def main(data: str, epochs: int, hidden: str, repeats: int) -> None:
    widths = {"hidden": hidden} if hidden else {}
    base = RunConfig.parse({"data": data, "epochs": epochs, **widths})
    study = plan(find_suite("regularization"), base, SEEDS, open_index(data))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
        start = time.perf_counter()
        store = open_store("benchmark")
        database = time.perf_counter() - start
        run(study, MemoryTracker())  # warm caches
        watch = Stopwatch()
        for owner, method in (
            (MlflowTracker, "start"),
            (MlflowRun, "epoch"),
            (MlflowRun, "finish"),
        ):
            watch.watch(owner, method)
        with_tracking, without = [], []
        for _ in range(repeats):
            without.append(seconds(study, MemoryTracker()))
            tracker = MlflowTracker(store, study.label, folder, name="benchmark", single=False)
            with_tracking.append(seconds(study, tracker))
        click.echo(f"{data}, {epochs} epochs, {len(study.specs)} runs, median of {repeats}:")
        took, bare = median(with_tracking), median(without)
        click.echo(f"  with tracking {took:.2f} s, without {bare:.2f} s")
        click.echo(f"  tracking takes {1 - bare / took:.1%} of the study")
        own = watch.seconds / sum(with_tracking)
        each = watch.seconds / repeats / len(study.specs)
        click.echo(f"  its calls take {each:.2f} s a run, {own:.1%} of the study")
        click.echo(f"  making the database, once a store: {database:.1f} s")


if __name__ == "__main__":
    main()
