"""The differences from the baseline with their intervals: a figure, and all numbers as CSV."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from mlp.escaping import csv_text
from mlp.escaping import figure as _plain
from mlp.evidence.findings import Evidence
from mlp.metrics import METRICS
from mlp.report.blocks import Picture, Section
from mlp.report.drawing import BLUE, GRAY, NARROW, RED
from mlp.report.wording import Wording

_VERDICT = {"better": BLUE, "worse": RED}


def section(evidence: Evidence, say: Wording) -> Section:
    """A line an arm."""
    figure = _figure(evidence, say)
    blocks = [Picture("differences", figure, narrow=True)] if figure else []
    heading = say("heading.forest", baseline=evidence.baseline.name)
    return Section(heading, blocks, {"comparison.csv": _table(evidence)})


def _table(evidence: Evidence) -> str:
    """Every comparison with all its numbers: arms, then the effects of factorials."""
    compared = evidence.comparisons
    fields = [field.name for field in dataclasses.fields(compared[0])] if compared else []
    rows = [("arm", evidence.baseline.name, c) for c in compared]
    for factorial in evidence.factorials:
        kinds = ("main effect", "main effect", "interaction")
        rows += [(kind, "", c) for kind, c in zip(kinds, factorial.effects, strict=True)]
    made = [(kind, evidence.metric, against, *dataclasses.astuple(c)) for kind, against, c in rows]
    return csv_text([("kind", "metric", "against", *fields), *made])


def _figure(evidence: Evidence, say: Wording) -> Figure | None:
    """Differences from the baseline with their intervals."""
    shown = [c for c in evidence.comparisons if np.isfinite(c.difference)]
    if not shown:
        return None
    scale = say.scale
    figure = Figure((NARROW, 0.9 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=GRAY, linewidth=1)
    for row, c in enumerate(shown):
        colour = _VERDICT.get(c.verdict, GRAY)
        if np.isfinite(c.low):
            axes.plot([scale * c.low, scale * c.high], [row, row], color=colour, linewidth=2.2)
        axes.plot(scale * c.difference, row, "o", color=colour, markersize=6)
    arms = {arm.name: arm for arm in evidence.arms}
    for row, c in enumerate(shown):
        base = evidence.baseline.scores
        seeds = scale * (arms[c.name].scores - base)
        axes.plot(seeds, np.full(len(seeds), row + 0.28), "|", color="#9aa1ac", markersize=5)
    axes.set_yticks(range(len(shown)), [f"{_plain(c.name)}  (n = {c.pairs})" for c in shown])
    axes.set_ylim(len(shown) - 0.3, -0.7)
    unit = f", {say.points}" if say.points else ""
    better = "→" if METRICS[evidence.metric].higher_is_better else "←"
    axes.set_xlabel(f"{say.validation}{unit} ({better} {say('better')})")
    axes.grid(axis="x", alpha=0.25)
    return figure
