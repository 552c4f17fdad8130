"""The table of all arms, with links to their runs."""

from __future__ import annotations

import numpy as np

from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.predictions import Floats
from mlp.report.blocks import Grid, Raw, Section, Text
from mlp.report.sections.verdict import certainty
from mlp.report.wording import NONE, Wording
from mlp.tracking.mlflow.pages import SEEDS, run_page, view_page


def section(evidence: Evidence, say: Wording) -> Section:
    """A row an arm, and what its columns mean."""
    headings, rows = _table(evidence, say)
    marked = {say.verdict(c): c.verdict for c in evidence.comparisons}
    linked = [[*row, _pages(evidence, arm)] for row, arm in zip(rows, evidence.arms, strict=True)]
    sure, legend, description = (
        certainty(evidence, say),
        [say("legend", baseline=evidence.baseline.name)],
        ("markdown",),
    )
    blocks: list[Grid | Text] = [
        Grid(headings, rows, where=("terminal", "page"), marked=marked),
        Grid([*headings, say("runs")], linked, where=description),
    ]
    if evidence.study.has_view:
        blocks.append(Text([_all_runs(evidence, say)], where=description))
    if sure:
        blocks.append(Text([sure], where=description))
    return Section(say("heading.table"), [*blocks, Text(legend, "soft", ("markdown", "page"))])


def _pages(evidence: Evidence, arm: ArmEvidence) -> Raw:
    """Links to the runs of an arm."""
    experiment = evidence.study.experiment_id
    return Raw(
        " ".join(
            f"[{_label(run.seed, run.fold)}]({run_page(experiment, run.run_id)})"
            for run in arm.runs
            if run.run_id
        )
    )


def _all_runs(evidence: Evidence, say: Wording) -> Raw:
    """Links to the runs side by side."""
    experiment, view = evidence.study.experiment_id, evidence.study.run_id
    table, charts = (view_page(experiment, view, charts) for charts in (False, True))
    points = view_page(experiment, view + SEEDS, charts=True)
    return Raw(say("all_runs", table=table, charts=charts, points=points))


def _label(seed: int, fold: str) -> str:
    return str(seed) if fold == "none" else f"{seed}:{fold.split('/')[0]}"


def _table(evidence: Evidence, say: Wording) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row an arm."""
    base = evidence.baseline
    headings = [
        say("arm"),
        "n",
        say.validation,
        say("difference", baseline=base.name),
        say("interval"),
        say("verdict"),
        say("p_better"),
        say("epochs"),
        say("gap"),
    ]
    leaked = any(np.isfinite(arm.per_run("final/unseen_accuracy")).any() for arm in evidence.arms)
    if leaked:
        headings.append(say("unseen"))
    if len(evidence.arms) == 1:
        headings = [h for k, h in enumerate(headings) if k not in (3, 4, 5, 6)]
    rows = []
    for arm in evidence.arms:
        c = arm.comparison
        row = [arm.name, str(len(arm.finished)), say.spread(arm.mean, arm.deviation)]
        if c is not None:
            row += [say.number(c.difference), say.interval(c), say.verdict(c), say.chance(c)]
        elif len(evidence.arms) > 1:
            row += ["", "", say("baseline"), ""]
        row += [_mean(arm.per_run("facts/epochs"), "{:.3g}")]
        row += [_mean(100 * arm.per_run("final/gap_accuracy"), "{:.1f}")]
        if leaked:
            row += [_mean(100 * arm.per_run("final/unseen_accuracy"), "{:.1f}%")]
        rows.append(row)
    return headings, rows


def _mean(values: Floats, form: str) -> str:
    known = values[np.isfinite(values)]
    return form.format(known.mean()).replace("-", "−") if len(known) else NONE
