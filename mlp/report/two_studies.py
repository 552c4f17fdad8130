"""Two studies side by side, for people: what became of each arm that both have."""

from __future__ import annotations

from collections.abc import Callable

from mlp.escaping import line
from mlp.escaping import markdown as _escape
from mlp.evidence.document import document, named, numbers
from mlp.evidence.two_studies import Between
from mlp.metrics import METRICS
from mlp.report.blocks import Grid
from mlp.report.wording import Wording
from mlp.study.record import RecordedStudy


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
        say("p_better"),
    ]
    rows = []
    for c in result.comparisons:
        scores = [say.score(mean) for mean in result.means[c.name]]
        row = [c.name, str(c.pairs), *scores, say.number(c.difference)]
        rows.append([*row, say.interval(c), say.verdict(c), say.chance(c)])
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


def data(result: Between, margin: float) -> dict[str, object]:
    """The comparison for programs. `margin`: in the unit of the metric."""
    contents = {
        "metric": result.metric,
        "higher_is_better": METRICS[result.metric].higher_is_better,
        "margin": margin,
        "studies": [named(result.first), named(result.second)],
        "paired": result.paired,
        "scores": result.means,
        "arms": [numbers(c) for c in result.comparisons],
    }
    return document("two studies", contents)
