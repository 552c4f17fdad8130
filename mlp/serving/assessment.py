"""How good a packaged model is on labelled images, as a run of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow.entities import Metric

from mlp.data.audit.remarks import understood
from mlp.data.index import Index
from mlp.errors import DataError
from mlp.escaping import folder_name
from mlp.escaping import line as one_line
from mlp.escaping import markdown as _escape
from mlp.metrics import METRICS, classification_report, final_scores
from mlp.report.summary import columns
from mlp.report.wording import Wording
from mlp.serving.challenge import interval
from mlp.serving.evaluation import Evaluated, evaluate
from mlp.serving.loading import LoadedModel
from mlp.serving.registry import RUNS
from mlp.serving.study_images import trained_on
from mlp.tracking import results
from mlp.tracking.mlflow.reports import record_report
from mlp.tracking.mlflow.store import Store
from mlp.tracking.tensorboard.writer import Events

ALL = "all"
_HEADINGS = ("score", "value", "95% interval")
# Keys of `scores` that are counts
IMAGES, REFUSED, TRAINED_ON, UNFAMILIAR = "images", "refused", "trained_on", "unfamiliar"


@dataclass(frozen=True)
class Assessment:
    """A model's answers to a part of some data, and what they come to.

    `scores` has those of `final_scores` and counts of images: all, refused ones, those that the
    model was trained on (left out where that is not recorded), those unlike them. `intervals`: of
    the scores by which models are compared, at 95%, over the choice of images.
    """

    model: LoadedModel
    part: str
    evaluated: Evaluated
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


def part_of(index: Index, part: str) -> tuple[Index, str]:
    """The images of a split of some data, and which one it is. Raises DataError.

    auto: the test split, else the validation split, else all images.
    """
    present = sorted(set(index.usable["split"]) - {""})
    if part == "auto":
        part = next((name for name in ("test", "val") if name in present), ALL)
    if part == ALL:
        return index, part
    if part not in present:
        raise DataError(
            f"{index.name} has no {part} split, but {', '.join(present) or 'no split at all'}; "
            "use --part all for every image"
        )
    return replace(index, table=index.table[index.table["split"] == part]), part


def assess(store: Store, model: LoadedModel, index: Index, part: str) -> Assessment:
    """Let a model answer all images of an index. Raises DataError."""
    evaluated = evaluate(model.ensemble, index)
    if evaluated is None:
        raise DataError(f"{index.name}: none of its {len(index.table)} images can be read")
    result = evaluated.evaluation
    scores = {
        **final_scores(result),
        IMAGES: float(len(result.ids)),
        REFUSED: float(len(evaluated.index.damaged)),
        UNFAMILIAR: float(evaluated.unfamiliar.sum()),
    }
    tags = model.version.tags if model.version else {}
    seen = trained_on(store, tags.get(RUNS, model.run_id).split(","))
    if seen is not None:
        scores[TRAINED_ON] = float(evaluated.index.usable["sha256"].isin(seen).sum())
    intervals = {name: interval(result, name) for name in METRICS if name in scores}
    return Assessment(model, part, evaluated, scores, intervals)


def record(store: Store, run_id: str, made: Assessment, data: str, runs_dir: Path) -> Path:
    """Everything into a run and TensorBoard events; the folder of these."""
    evaluated = made.evaluated
    result, index = evaluated.evaluation, evaluated.index
    client = store.client
    store.log_params(run_id, {"model": made.model.uri, "data": data, "part": made.part})
    store.log_dataset(run_id, index.name, index.digest, data, len(result.classes), "evaluation")
    now = int(time.time() * 1000)
    numbers = dict(made.scores)
    for name, (low, high) in made.intervals.items():
        numbers |= {f"{name}_low": low, f"{name}_high": high}
    metrics = [Metric(f"evaluation/{name}", value, now, 0) for name, value in numbers.items()]
    client.log_batch(run_id, metrics=metrics)
    drawn = results.draw(made.model.ensemble, result, evaluated.images, made.part.capitalize())
    text = markdown(made)
    record_report(store, run_id, text, results.files(result, numbers, drawn))
    events = Events(runs_dir / f"evaluation-{folder_name(index.name)}-{run_id[:8]}")
    events.scalars({f"evaluation/{name}": value for name, value in numbers.items()}, 0)
    events.evaluation(result, drawn, 0, "evaluation")
    events.close({})
    return events.folder


def markdown(made: Assessment) -> str:
    """The description of the run."""
    rows = [_HEADINGS, ("---", "--:", "--:"), *_table(made)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([_escape(_title(made)), table, *map(_noted, _notes(made))])


def terminal(made: Assessment) -> str:
    """Scores, classes and notes as text."""
    scores = columns(_HEADINGS, _table(made))
    report = classification_report(made.evaluated.evaluation)
    return "\n".join([_title(made), "", scores, "", report.rstrip(), "", *_notes(made)])


def _noted(text: str) -> str:
    return "\n".join(map(_escape, text.split("\n")))


def _title(made: Assessment) -> str:
    part = "" if made.part == ALL else f", {made.part} split"
    name = one_line(made.evaluated.index.name)
    return f"{made.model.title} on {name}{part}: {made.scores[IMAGES]:.0f} images"


def _table(made: Assessment) -> list[tuple[str, str, str]]:
    rows = []
    for name, value in made.scores.items():
        if name in (IMAGES, REFUSED, TRAINED_ON, UNFAMILIAR):
            continue
        words = name.replace("_", " ")
        if name in made.intervals:
            say = Wording("en", name)
            low, high = made.intervals[name]
            rows.append((words, say.score(value), f"{say.score(low)} to {say.score(high)}"))
        else:
            rows.append((words, f"{value:.3f}", ""))
    return rows


def _notes(made: Assessment) -> list[str]:
    scores = made.scores
    notes = [f"Note: {one_line(said)}" for said in understood(made.evaluated.index)]
    undefined = [name for name in METRICS if name not in scores]
    if undefined:
        only = ", ".join(made.evaluated.evaluation.present)
        notes.append(f"Note: all images are of class {only!r}: no {', '.join(undefined)}.")
    seen = scores.get(TRAINED_ON)
    if seen is None:
        notes.append("Note: it is not recorded which images the model was trained on.")
    elif seen:
        notes.append(
            f"Note: the model was trained on {seen:.0f} of these images: that flatters it."
        )
    if scores[UNFAMILIAR]:
        notes.append(f"Note: {scores[UNFAMILIAR]:.0f} images are unlike the training images.")
    if scores[REFUSED]:
        shown = "".join(
            f"\n  {one_line(row.path)}: {one_line(row.reason)}"
            for row in made.evaluated.index.damaged.head(10).itertuples()
        )
        notes.append(f"Note: {scores[REFUSED]:.0f} images could not be read:{shown}")
    return notes
