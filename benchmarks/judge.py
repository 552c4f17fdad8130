"""Judgements of runs that exist: how often they are wrong, and how long 10,000 runs take.

python -m benchmarks.judge
python -m benchmarks.judge --tables 4000
"""

from __future__ import annotations

import os
import resource
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import click
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from mlp.workflows.judge import judge

Scores = NDArray[np.float64]  # (1 + arms, data sets, pairs), the baseline first
PAIRS = 20
OPTIMIZERS = "adam", "adamw", "sgd", "rmsprop"


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Scores:
    return rng.normal(0.9, 0.01, shape)


def _shared_luck(rng: np.random.Generator, shape: tuple[int, ...]) -> Scores:
    return rng.normal(0.9, 0.01, shape) + rng.normal(0, 0.03, shape[1:])


def _luckier_baseline(rng: np.random.Generator, shape: tuple[int, ...]) -> Scores:
    spread = np.where(np.arange(shape[0]) == 0, 0.03, 0.01)
    return rng.normal(0.9, spread[:, None, None], shape)


def _coarse(rng: np.random.Generator, shape: tuple[int, ...]) -> Scores:
    return np.asarray(rng.binomial(100, 0.8, shape) / 100)


def _coarse_and_high(rng: np.random.Generator, shape: tuple[int, ...]) -> Scores:
    return np.asarray(rng.binomial(100, 0.98, shape) / 100)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Scores:
    """Losses, now and then a high one."""
    return np.asarray(rng.lognormal(0, 0.5, shape))


POPULATIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Scores]] = {
    "normal": _normal,
    "pairs share their luck": _shared_luck,
    "the baseline is luckier": _luckier_baseline,
    "accuracy 80% of 100 images": _coarse,
    "accuracy 98% of 100 images": _coarse_and_high,
    "skewed losses": _skewed,
}
KINDS = {"paired": ("", 1), "unpaired": ("none", 1), "three data sets": ("", 3)}


def ever_wrong(population: str, kind: str, arms: int, tables: int, seed: int) -> int:
    """The number of tables of equal arms in which any is told apart at any look.

    Rows are added a pair at a time from 3 to 20. As verdicts stay, that of all rows shows it.
    """
    (pair, datasets), wrong = KINDS[kind], 0
    rng = np.random.default_rng(seed)
    places = list(product(range(PAIRS), range(datasets), range(1 + arms)))
    frame = pd.DataFrame(places, columns=["pair", "dataset", "arm"]).astype(str)
    for _ in range(tables):
        scores = POPULATIONS[population](rng, (1 + arms, datasets, PAIRS))
        frame["score"] = scores.transpose(2, 1, 0).ravel()
        found = judge(frame, baseline="0", pair=pair).table
        wrong += bool(((found["low"] > 0) | (found["high"] < 0)).any())
    return wrong


def calibration(pool: ProcessPoolExecutor, tables: int) -> Iterator[str]:
    yield "| scores | pairs | 1 equal arm ever told apart | 7 equal arms, any ever |"
    yield "| --- | --- | ---: | ---: |"
    jobs = list(product(POPULATIONS, KINDS, (1, 7)))
    counts = pool.map(ever_wrong, *zip(*jobs, strict=True), [tables] * len(jobs), range(len(jobs)))
    found = iter(tqdm(counts, "judging", len(jobs), disable=None))
    for population, kind in product(POPULATIONS, KINDS):
        shares = [_share(next(found), tables) for _ in (1, 7)]
        yield f"| {population} | {kind} | {' | '.join(shares)} |"


def _share(count: int, of: int) -> str:
    low, high = stats.binomtest(count, of).proportion_ci(method="wilson")
    return f"{100 * count / of:.1f}% ({100 * low:.1f} to {100 * high:.1f})"


def fill(database: Path, runs: int) -> None:
    """Runs of four optimizers in the experiment `theirs`, written as MLflow has them.

    Each has 12 parameters, 8 metrics and 6 tags.
    """
    experiment = MlflowClient(f"sqlite:///{database}").create_experiment("theirs")
    rng = np.random.default_rng(0)
    rows: list[tuple[Any, ...]] = []
    params: list[tuple[Any, ...]] = []
    metrics: list[tuple[Any, ...]] = []
    tags: list[tuple[Any, ...]] = []
    for number in range(runs):
        run_id, arm = uuid.UUID(int=number + 1).hex, OPTIMIZERS[number % 4]
        moment = 1_700_000_000_000 + number
        rows.append((run_id, arm, "me", "FINISHED", moment, moment, "active", "./", experiment))
        given = {"opt": arm, "seed": number // 4, **{f"p{k}": 1 for k in range(10)}}
        params += [(run_id, key, str(value)) for key, value in given.items()]
        scores = rng.normal(0.9 + 0.01 * (arm == "sgd"), 0.01, 8)
        named = ["val_acc", *(f"m{k}" for k in range(7))]
        metrics += [(run_id, key, v, moment, 0, 0) for key, v in zip(named, scores, strict=True)]
        tags += [(run_id, f"t{k}", "x") for k in range(6)]
    into = {
        "runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, "
        "artifact_uri, experiment_id)": rows,
        "params (run_uuid, key, value)": params,
        "latest_metrics (run_uuid, key, value, timestamp, step, is_nan)": metrics,
        "tags (run_uuid, key, value)": tags,
    }
    connection = sqlite3.connect(database)
    with connection:
        for table, values in into.items():
            places = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", values)
    connection.close()


def timed(runs: int) -> tuple[float, float, float]:
    """Processor seconds and seconds for a judgement of so many runs, and MiB more of memory."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "mlflow.db")
        mlflow.set_tracking_uri(f"sqlite:///{database}")
        fill(database, runs)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, busy = time.monotonic(), time.process_time()
        made = judge(experiment="theirs", arm="params.opt", pair="params.seed", metric="val_acc")
        assert made.files and made.table["n"].sum() == runs
        spent = time.process_time() - busy, time.monotonic() - began
        mlflow.set_tracking_uri(None)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return *spent, memory


@click.command(help=__doc__)
@click.option("--tables", default=1000, type=click.IntRange(1), help="simulated tables of a row")
@click.option("--runs", default=10_000, type=click.IntRange(4), help="runs in the database")
@click.option("--workers", default=os.cpu_count(), type=click.IntRange(1), help="processes")
def main(tables: int, runs: int, workers: int) -> None:
    busy, seconds, memory = timed(runs)
    click.echo(
        f"{runs} runs in SQLite: {busy:.1f} processor seconds, {seconds:.1f} seconds, "
        f"{memory:.0f} MiB more of memory"
    )
    with ProcessPoolExecutor(workers) as pool:
        for line in calibration(pool, tables):
            click.echo(line)


if __name__ == "__main__":
    main()
