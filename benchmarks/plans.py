"""With a fixed number of trainings, what finds the most verdicts: seeds on one split, or folds?

    python -m benchmarks.plans                        # digits, ten minutes on two cores
    python -m benchmarks.plans --data FOLDER          # your images, small and for few epochs

The suite `regularization` is trained by each plan, 20 trainings an arm:

- one split: the validation images that the data have, or those that one seed draws, under 20 seeds;
- own splits: each of 20 seeds draws validation images of its own (where the data have none);
- folds: five folds, dealt anew by each of four seeds. Five trainings are folds, more of them are
  repeated folds.

It is then judged as if there were 5, 10 or 20 trainings, with each part of the 20 in turn.
"""

from __future__ import annotations

import io
import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from statistics import mean, median

import click

from mlp.data.dataset import index_of, split_of
from mlp.data.split_file import split_table
from mlp.evidence.comparison import Comparison
from mlp.evidence.judge import Judge
from mlp.execution.executor import run
from mlp.learning.resolution import resolve
from mlp.metrics import METRICS
from mlp.settings.training import RunConfig
from mlp.study.plan import plan
from mlp.study.record import RecordedStudy
from mlp.study.suite import find_suite
from mlp.tracking.memory import MemoryTracker

TRAININGS = 20  # of each arm
BUDGETS = (5, 10, 20)
FOLDS = 5
MARGINS = (0.01, 0.03)


def trained(base: RunConfig, name: str) -> RecordedStudy:
    """The suite, trained by a plan."""
    folds = tuple(f"{k}/{FOLDS}" for k in range(1, FOLDS + 1)) if name == "folds" else ("none",)
    index = index_of(base.changed({"fold": folds[0]}))
    with tempfile.TemporaryDirectory(prefix="mlp-plans-") as folder:
        if name == "one split":
            file = Path(folder, "split.csv")
            split_table(index, split_of(index, resolve(base, index))).to_csv(file, index=False)
            base = base.changed({"split": str(file)})
            index = index_of(base)
        seeds = range(TRAININGS // len(folds))
        study = plan(find_suite("regularization"), base, seeds, index, folds)
        tracker = MemoryTracker(label=study.label)
        tracker.plan(study.plan([]), None)
        with redirect_stdout(io.StringIO()):
            run(study, tracker)
        return tracker.studies.read(tracker.run_id)


def judged(study: RecordedStudy, trainings: int, margin: float) -> list[Comparison]:
    """The verdicts of all studies of so many trainings an arm that this one holds."""
    pairs = study.pairs
    made: list[Comparison] = []
    for start in range(0, TRAININGS, trainings):
        chosen = set(pairs[start : start + trainings])
        part = replace(study, runs=[each for each in study.runs if each.pair in chosen])
        made += Judge.of(part, METRICS["accuracy"], margin).against(study.arm_names[0]).values()
    return made


def rows(base: RunConfig, name: str) -> list[str]:
    """The rows of the table for one plan."""
    study, lines = trained(base, name), []
    for trainings in BUDGETS:
        by_margin = [judged(study, trainings, margin) for margin in MARGINS]
        arms = len(study.arms) - 1
        found = [arms * mean(c.verdict != "undecided" for c in made) for made in by_margin]
        half = 100 * median((c.high - c.low) / 2 for c in by_margin[0])
        cells = [f"{count:.1f}" for count in found]
        lines.append(f"| {name} | {trainings} | {' | '.join(cells)} | ±{half:.1f} |")
    return lines


@click.command(help=__doc__)
@click.option("--data", default="digits", show_default=True)
@click.option("--image-size", default="auto", show_default=True)
@click.option("--epochs", default="20", show_default=True)
def main(data: str, image_size: str, epochs: str) -> None:
    given = {"data": data, "image_size": image_size, "epochs": epochs, "on_leak": "drop"}
    base = RunConfig.parse({**given, "threads": "1"})
    plans = ["one split", "own splits", "folds"]
    if "val" in index_of(base).by_split:
        plans.remove("own splits")
    click.echo(
        "| plan | trainings an arm | verdicts of 7, margin 1 | margin 3 | interval (median) |"
    )
    click.echo("| --- | ---: | ---: | ---: | ---: |")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        made: Sequence[list[str]] = list(pool.map(rows, [base] * len(plans), plans))
    click.echo("\n".join(line for lines in made for line in lines))


if __name__ == "__main__":
    main()
