"""Two studies side by side: what became of each arm that both have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlp.errors import NoSuchStudy
from mlp.escaping import line
from mlp.escaping import markdown as _escape
from mlp.evidence.comparison import VERDICT_FROM, Comparison, family, unpaired
from mlp.evidence.judge import Judge, require_defined
from mlp.metrics import METRICS
from mlp.predictions import Floats
from mlp.report.blocks import Grid
from mlp.report.wording import Wording
from mlp.study.arm import Arm
from mlp.study.record import RecordedRun, RecordedStudy


@dataclass(frozen=True)
class Between:
    """`comparisons`: of the arms that both studies have, second study minus first.

    `paired`: whether the runs of both were scored on the same images under the same seeds.
    `means`: of both studies by arm.
    """

    first: RecordedStudy
    second: RecordedStudy
    metric: str
    paired: bool
    means: dict[str, tuple[float, float]]
    comparisons: list[Comparison]


def between(first: RecordedStudy, second: RecordedStudy, metric: str) -> Between:
    """Compare two studies arm by arm.

    Raises NoSuchStudy when they have no arm in common, and SettingsError where the validation
    images of one do not define the metric.
    """
    for study in (first, second):
        require_defined(study, metric)
    names, theirs = first.arm_names, set(second.arm_names)
    common = [name for name in names if name in theirs]
    if not common:
        raise NoSuchStudy(
            f"the studies have no arm in common: {', '.join(names)} and {', '.join(sorted(theirs))}"
        )
    measure = METRICS[metric]
    scores = {
        name: tuple(_scores(study, name, metric) for study in (first, second)) for name in common
    }
    pairs = [pair for pair in first.pairs if pair in second.pairs]
    # Fewer would leave most of what is recorded aside, and tell nothing
    enough = len(pairs) >= VERDICT_FROM
    both = _side_by_side(first, second, common, pairs) if enough else None
    if both is not None:
        judge = Judge.of(both, measure)
        compared = judge.family({name: {f"2 {name}": 1.0, f"1 {name}": -1.0} for name in common})
    else:
        compared = family(
            [unpaired(name, scores[name][1], scores[name][0]) for name in common],
            higher_is_better=measure.higher_is_better,
        )
    means = {name: (_mean(scores[name][0]), _mean(scores[name][1])) for name in common}
    if not any(np.isfinite(values).all() for values in means.values()):
        raise NoSuchStudy(
            "there is nothing to compare: no arm that both studies have has finished runs in both"
        )
    return Between(first, second, metric, both is not None, means, compared)


def _scores(study: RecordedStudy, arm: str, metric: str) -> Floats:
    """Of the finished runs of an arm."""
    runs = study.of(arm).values()
    return np.array([METRICS[metric].score(r.evaluation) for r in runs if r.evaluation is not None])


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _side_by_side(
    first: RecordedStudy, second: RecordedStudy, arms: list[str], pairs: list[tuple[int, str]]
) -> RecordedStudy | None:
    """One study with the arms of both, or None where a pair saw different images."""
    runs: list[RecordedRun] = []
    for pair in pairs:
        images = set()
        for number, study in ((1, first), (2, second)):
            for arm in arms:
                run = study.of(arm)[pair]
                runs.append(dataclasses.replace(run, arm=f"{number} {arm}"))
                if run.evaluation is not None:
                    images.add((run.evaluation.ids.tobytes(), run.evaluation.labels.tobytes()))
        if len(images) > 1:
            return None
    if not any(run.finished for run in runs):
        return None
    made = [Arm(f"{number} {arm}", {}, "") for number in (1, 2) for arm in arms]
    return dataclasses.replace(first, arms=made, runs=runs)


def table(result: Between, say: Wording) -> Grid:
    """A row an arm."""
    headings = [
        say("arm"),
        "n",
        f"1: {say.validation}",
        f"2: {say.validation}",
        say("between.difference"),
        say("interval"),
        say("verdict"),
    ]
    rows = []
    for c in result.comparisons:
        scores = [say.score(mean) for mean in result.means[c.name]]
        row = [c.name, str(c.pairs), *scores, say.number(c.difference)]
        rows.append([*row, say.interval(c), say(c.verdict)])
    return Grid(headings, rows)


def sentences(result: Between, say: Wording) -> list[str]:
    """The names of both studies, and the way in which they were compared."""
    lines = [
        f"{number}: {line(study.name)} ({study.run_id})"
        for number, study in ((1, result.first), (2, result.second))
    ]
    changed = {
        name: (value, result.second.base[name])
        for name, value in result.first.base.items()
        if result.second.base.get(name, value) != value
    }
    if changed:
        settings = ", ".join(f"{name} {one} → {two}" for name, (one, two) in changed.items())
        lines.append(say("between.changed", settings=settings))
    return [*lines, say("between.paired" if result.paired else "between.unpaired")]


def markdown(result: Between, say: Wording, page: Callable[[RecordedStudy], str]) -> str:
    """The comparison as the description of a run."""
    studies = [
        f"{number}: [{_escape(study.name)}]({page(study)})  "
        for number, study in ((1, result.first), (2, result.second))
    ]
    said = [f"{_escape(each)}  " for each in sentences(result, say)[2:]]
    parts = [f"## {say('between.title')}", *("\n".join(part) for part in (studies, said))]
    return "\n\n".join([*parts, table(result, say).markdown()])
