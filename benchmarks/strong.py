"""How good is a recipe on images that it was never chosen on?

    python -m benchmarks.strong split --data ../shared/data/skin-smol
    python -m scripts.search --space mixer --data chosen-on.csv --trials 36
    python -m scripts.study --suite ingredients --data distinct.csv --folds 5 --seeds 1
    python -m benchmarks.strong scores --held never-chosen-on.csv

The first command writes the distinct pictures of a folder, and by halves those to choose on and the
others. In a cross-validation over all of them, each picture is judged by a network that did not
train on it; those of the second half had no part in the choice of the recipe either.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.model_selection import train_test_split

from mlp.data.dataset import source
from mlp.settings.study import ExperimentConfig
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.studies import MlflowStudies


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command(help="Write distinct.csv, chosen-on.csv and never-chosen-on.csv.")
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False))
def split(data: str) -> None:
    rows = source(data).usable.drop_duplicates("sha256")[["path", "class"]]
    rows = rows.assign(path=[str((Path(data) / path).resolve()) for path in rows["path"]])
    chosen, held = train_test_split(rows, test_size=0.5, random_state=0, stratify=rows["class"])
    for name, part in (("distinct", rows), ("chosen-on", chosen), ("never-chosen-on", held)):
        part.to_csv(f"{name}.csv", index=False)
        click.echo(f"{name}.csv: {len(part)} pictures")


@main.command(help="Accuracy of each arm of a study, with Wilson's 95% interval.")
@click.option("--study", default="latest", show_default=True, help="run id of a study, or latest")
@click.option("--held", required=True, type=click.Path(exists=True), help="never-chosen-on.csv")
def scores(study: str, held: str) -> None:
    never = set(pd.read_csv(held)["path"])
    studies = MlflowStudies(open_store(ExperimentConfig().experiment_name))
    recorded = studies.read(studies.find(study))
    click.echo("| arm | all | never chosen on | last epoch, the image alone |")
    click.echo("| --- | ---: | ---: | ---: |")
    for arm in recorded.arms:
        runs = [r for r in recorded.of(arm.name).values() if r.evaluation is not None]
        evaluations = [run.evaluation for run in runs if run.evaluation is not None]
        right = np.concatenate([e.predicted == e.labels for e in evaluations])
        ids = np.concatenate([e.ids for e in evaluations])
        sizes = [len(e.ids) for e in evaluations]
        alone = np.average([run.history["val/accuracy"][-1] for run in runs], weights=sizes)
        apart = right[[str(name) in never for name in ids]]
        click.echo(f"| {arm.name} | {_share(right)} | {_share(apart)} | {100 * alone:.1f}% |")


def _share(right: np.ndarray) -> str:
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return (
        f"{100 * right.mean():.1f}% ({100 * interval.low:.1f} to {100 * interval.high:.1f}), "
        f"n = {len(right)}"
    )


if __name__ == "__main__":
    main()
