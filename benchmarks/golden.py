"""Numbers that a change of structure must not change.

python -m benchmarks.golden record     # train, and write benchmarks/golden.json
python -m benchmarks.golden compare    # train the same again: exit 1 where a number differs

They are equal to the last bit on machines whose processors offer the same instructions. golden.json
changes only together with what explains it, in a commit that says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from mlflow import MlflowClient
from mlflow.entities import Run

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_suffix(".json")
JOBS = {
    "default ablation": "ablation --seeds 2 --threads 2",
    "initializations": "init --seeds 1 --epochs 4 --threads 2",
    "strong recipe": "train --recipe strong --fold 1/5 --epochs 2 --threads 2",
    "search": "search --trials 6 --folds 2 --confirm 1 --confirm-seeds 3 --epochs 2 --threads 1",
    "workers": "ablation --seeds 2 --epochs 2 --executor processes --workers 2 --threads 1",
}
OF_THE_MACHINE = ("time/", "system/")
Numbers = dict[str, dict[str, str]]


def numbers(store: MlflowClient, run: Run) -> dict[str, str]:
    """The last values of a run's metrics, exactly, and a digest of what they were before."""
    values = {k: v for k, v in run.data.metrics.items() if not k.startswith(OF_THE_MACHINE)}
    hasher = hashlib.sha256()
    for name in sorted(values):
        history = store.get_metric_history(run.info.run_id, name)
        hasher.update(json.dumps([name, sorted((p.step, p.value) for p in history)]).encode())
    return {k: repr(v) for k, v in values.items()} | {"histories": hasher.hexdigest()}


def train(job: str) -> Numbers:
    """Run a command in a store of its own; the numbers of its runs."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        uri = f"sqlite:///{Path(folder).as_posix()}/mlflow.db"
        name, *options = job.split()
        runs_dir = ["--runs-dir", str(Path(folder) / "runs")]
        command = [sys.executable, "-m", f"scripts.{name}", *options, *runs_dir]
        places = {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=folder, env=os.environ | places, check=True)
        store = MlflowClient(uri)
        experiments = [e.experiment_id for e in store.search_experiments()]
        runs = store.search_runs(experiments, "attributes.status = 'FINISHED'", max_results=5000)
        found = {}
        for run in runs:
            params = run.data.params
            key = f"{run.info.run_name} {params.get('seed', '')} {params.get('fold', '')}".strip()
            assert key not in found, f"two runs are called {key}"
            found[key] = numbers(store, run)
        return dict(sorted(found.items()))


@click.command()
@click.argument("action", type=click.Choice(["record", "compare"]))
@click.option("--job", "jobs", multiple=True, type=click.Choice(list(JOBS)), default=list(JOBS))
def golden(action: str, jobs: tuple[str, ...]) -> None:
    """Record what some commands compute, or compare it with the record."""
    record: dict[str, Numbers] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    differing = 0
    for job in jobs:
        made = train(JOBS[job])
        if action == "record":
            record[job] = made
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
            continue
        for run in sorted(made.keys() | record[job].keys()):
            new, old = made.get(run, {}), record[job].get(run, {})
            wrong = sorted(k for k in new.keys() | old.keys() if new.get(k) != old.get(k))
            differing += bool(wrong)
            for name in wrong:
                click.echo(f"{job}, {run}, {name}: {old.get(name)} was, {new.get(name)} is")
        click.echo(f"{job}: {len(made)} runs compared")
    if differing:
        raise click.ClickException(f"the numbers of {differing} runs differ")


if __name__ == "__main__":
    golden()
