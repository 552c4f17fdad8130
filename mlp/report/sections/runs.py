"""The data and the runs: what to know of them, which failed, how all was computed."""

from __future__ import annotations

from markupsafe import Markup

from mlp.escaping import csv_text
from mlp.evidence.findings import Evidence
from mlp.report.blocks import Grid, Section, Text
from mlp.report.wording import NONE, Wording
from mlp.study.record import RecordedRun, RecordedStudy
from mlp.tracking.mlflow.pages import run_page


def remarks(evidence: Evidence, say: Wording) -> Section:
    """Remarks to know before believing the numbers."""
    study, title = evidence.study, say("heading.data")
    said = [say.remark(remark) for remark in study.remarks]
    count = len(evidence.unfinished)
    blocks = [Text(said, "remarks", ("markdown",))] if said else []
    if count:
        said = [say("incomplete", count=count, all=len(study.runs)), *said]
    return Section("", [*blocks, Text(said, "remarks", title=title)] if said else [])


def failures(evidence: Evidence, say: Wording) -> Section:
    """A line for each planned run that has no score."""
    lines = []
    for run in evidence.unfinished:
        fold = "" if run.fold == "none" else f", {say.one} {run.fold}"
        why = f": {say.said(run.reason)}" if run.reason else ""
        status = say(f"status.{run.status}")
        lines.append(f"{run.arm}, {say('one.seeds')} {run.seed}{fold}: {status}{why}")
    everywhere = ("terminal", "markdown", "page")
    return Section(say("heading.failed"), [Text(lines, "list", everywhere)] if lines else [])


def method(evidence: Evidence, say: Wording) -> Section:
    """The computation of intervals and verdicts."""
    if not evidence.comparisons:
        return Section("", [])
    images = say("method.shared" if evidence.overlap is None else "method.drawn")
    text = say("method.text", images=images, unit=say.unit)
    return Section(say("heading.method"), [Text([text], "soft")])


def runs(evidence: Evidence, say: Wording) -> Section:
    """The meaning of each arm, its runs, and their scores as CSV."""
    rows = [
        (
            arm.name,
            say.named(f"about.{arm.name}", arm.about),
            ("", *(_line(evidence, run, say) for run in arm.runs)),
        )
        for arm in evidence.arms
    ]
    grid = Grid([say("arm"), say("what"), say("runs")], rows, where=("page",))
    place = Text([f"MLflow: {evidence.study.run_id}"])
    return Section(say("heading.runs"), [place, grid], {"scores.csv": _scores(evidence)}, True)


def _line(evidence: Evidence, run: RecordedRun, say: Wording) -> Markup:
    status = "" if run.finished else f" {say(f'status.{run.status}')}"
    return link(evidence.study, run) + Markup(": {}{}").format(run.run_id or NONE, status)


def link(study: RecordedStudy, run: RecordedRun) -> Markup:
    """The seed and fold of a run, as a link to its page where MLflow shows it."""
    name = str(run.seed) if run.fold == "none" else f"{run.seed} {run.fold}"
    if not (study.address and run.run_id):
        return Markup(name)
    page = f"{study.address}/{run_page(study.experiment_id, run.run_id)}"
    return Markup('<a href="{}">{}</a>').format(page, name)


def _scores(evidence: Evidence) -> str:
    """Every run with its final scores, empty where it has none."""
    names = sorted(
        {
            n
            for arm in evidence.arms
            for r in arm.finished
            for n in r.metrics
            if n.startswith(("final/", "facts/"))
        }
    )
    made: list[tuple[object, ...]] = [("arm", "seed", "fold", "status", "run_id", *names)]
    for arm in evidence.arms:
        for run in arm.runs:
            scores = [run.metrics.get(name, "") for name in names]
            made.append((run.arm, run.seed, run.fold, run.status, run.run_id, *scores))
    return csv_text(made)
