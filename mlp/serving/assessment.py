"""The scores of a packaged model on labelled images, as a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlp.data.audit.remarks import understood
from mlp.data.index import Index
from mlp.errors import DataError
from mlp.escaping import folder_name, line, markdown
from mlp.evidence.document import document
from mlp.metrics import COMPARED, METRICS, final_scores
from mlp.predictions import classification_report
from mlp.report.blocks import Grid
from mlp.report.wording import Wording
from mlp.serving.evaluation import Evaluated, evaluate, interval, trained_on
from mlp.serving.loading import LoadedModel
from mlp.tracking import results
from mlp.tracking.mlflow.store import Store
from mlp.tracking.tensorboard.events import Events

ALL = "all"
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
    present = sorted(index.by_split.keys() - {""})
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
    seen = trained_on(store, model.run_ids)
    if seen is not None:
        scores[TRAINED_ON] = float(evaluated.index.usable["sha256"].isin(seen).sum())
    intervals = {name: interval(result, name) for name in COMPARED if name in scores}
    return Assessment(model, part, evaluated, scores, intervals)


def record(
    store: Store, run_id: str, made: Assessment, data: str, runs_dir: Path, say: Wording
) -> Path:
    """Everything into a run and TensorBoard events; the folder of these."""
    evaluated = made.evaluated
    result, index = evaluated.evaluation, evaluated.index
    store.log_params(run_id, {"model": made.model.uri, "data": data, "part": made.part})
    store.log_dataset(run_id, index.name, index.digest, data, len(result.classes), "evaluation")
    numbers = dict(made.scores)
    for name, (low, high) in made.intervals.items():
        numbers |= {f"{name}_low": low, f"{name}_high": high}
    drawn = results.draw(made.model.ensemble, result, evaluated.images, made.part.capitalize())
    notes = ["\n".join(map(markdown, note.split("\n"))) for note in _notes(made, say)]
    text = "\n\n".join([markdown(_title(made, say)), _table(made, say).markdown(), *notes])
    files = results.files(result, numbers, drawn)
    numbers = {f"evaluation/{name}": value for name, value in numbers.items()}
    store.report(run_id, text, files, numbers)
    events = Events(runs_dir / f"evaluation-{folder_name(index.name)}-{run_id[:8]}")
    events.scalars(numbers, 0)
    events.pictures(drawn, files, 0, "evaluation")
    events.text("classification_report", files[results.REPORT].decode())
    events.curves(result, 0)
    events.close({})
    return events.folder


def terminal(made: Assessment, say: Wording) -> str:
    """Scores, classes and notes as text."""
    scores, report = _table(made, say).text(), classification_report(made.evaluated.evaluation)
    return "\n".join([_title(made, say), "", scores, "", report.rstrip(), "", *_notes(made, say)])


def data(made: Assessment) -> dict[str, object]:
    """Scores and counts for programs."""
    scores = {
        name: {"value": value, "low": None, "high": None}
        for name, value in made.scores.items()
        if name in METRICS
    }
    for name, (low, high) in made.intervals.items():
        scores[name] |= {"low": low, "high": high}
    contents = {
        "model": made.model.uri,
        "data": made.evaluated.index.name,
        "part": made.part,
        **{name: made.scores.get(name) for name in (IMAGES, REFUSED, TRAINED_ON, UNFAMILIAR)},
        "scores": scores,
    }
    return document("evaluation", contents)


def _title(made: Assessment, say: Wording) -> str:
    return say(
        "evaluation.title",
        model=made.model.title,
        data=made.evaluated.index.name,
        part="" if made.part == ALL else say("evaluation.part", part=made.part),
        count=len(made.evaluated.evaluation.ids),
    )


def _table(made: Assessment, say: Wording) -> Grid:
    rows = []
    for name, value in made.scores.items():
        if name in METRICS:
            by = replace(say, metric=name)
            interval = f" {say('to')} ".join(map(by.score, made.intervals.get(name, ())))
            rows.append((by.metric_name, by.score(value), interval))
    return Grid((say("evaluation.score"), say("evaluation.value"), say("interval")), rows)


def _notes(made: Assessment, say: Wording) -> list[str]:
    scores, index = made.scores, made.evaluated.index
    notes = [say.remark(remark) for remark in understood(index)]
    undefined = [name for name in COMPARED if name not in scores]
    if undefined:
        only = ", ".join(made.evaluated.evaluation.present)
        notes.append(say("evaluation.undefined", cls=repr(only), metrics=", ".join(undefined)))
    if TRAINED_ON not in scores:
        notes.append(say("evaluation.unknown"))
    for name in (TRAINED_ON, UNFAMILIAR, REFUSED):
        if scores.get(name):
            notes.append(say(f"evaluation.{name}", count=f"{scores[name]:.0f}"))
    for row in index.damaged.head(10).itertuples():  # the last note is that there are some
        notes[-1] += f"\n  {line(row.path)}: {line(row.reason)}"
    return [f"{say('evaluation.note')}: {note}" for note in notes]
