"""The differences from the baseline with their intervals: a figure, and all numbers as data."""

from __future__ import annotations

import json

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mlp.escaping import csv_text
from mlp.escaping import figure as _plain
from mlp.evidence.document import FIELDS, effects, of_study
from mlp.evidence.findings import Evidence
from mlp.metrics import METRICS
from mlp.report.blocks import Picture, Section
from mlp.report.drawing import GRAY, NARROW, VERDICTS
from mlp.report.wording import Wording


def section(evidence: Evidence, say: Wording) -> Section:
    """A line an arm."""
    figure = _figure(evidence, say)
    blocks = [Picture("differences", figure, narrow=True)] if figure else []
    heading = say("heading.forest", baseline=evidence.baseline.name)
    as_json = json.dumps(of_study(evidence), indent=2, allow_nan=False) + "\n"
    files = {"comparison.csv": _csv(evidence), "comparison.json": as_json}
    return Section(heading, blocks, files)


def _csv(evidence: Evidence) -> str:
    """Every comparison with all its numbers: arms, then the effects of factorials."""
    rows = [("arm", evidence.baseline.name, c) for c in evidence.comparisons]
    rows += [(kind, "", c) for kind, c in effects(evidence)]
    return csv_text(
        [
            ("kind", "metric", "against", *FIELDS),
            *((k, evidence.metric, a, *(getattr(c, n) for n in FIELDS)) for k, a, c in rows),
        ]
    )


def _figure(evidence: Evidence, say: Wording) -> Figure | None:
    """Differences from the baseline with their intervals, beside the margin."""
    shown = [c for c in evidence.comparisons if np.isfinite(c.difference)]
    if not shown:
        return None
    scale, margin = say.scale, evidence.margin
    said = {c.verdict: say.verdict(c) for c in shown}
    legend: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker="o", linewidth=2.2, label=said[verdict])
        for verdict, colour in VERDICTS.items()
        if verdict in said
    ]
    figure = Figure((NARROW, 1.2 + 0.3 * len(shown) + 0.1 * len(legend)), layout="constrained")
    axes = figure.subplots()
    if margin:
        axes.axvspan(-scale * margin, scale * margin, color=GRAY, alpha=0.15, linewidth=0)
        legend.append(Patch(color=GRAY, alpha=0.15, label=f"±{say.margin(margin)}"))
    axes.axvline(0, color=GRAY, linewidth=1)
    arms = {arm.name: arm for arm in evidence.arms}
    for row, c in enumerate(shown):
        colour = VERDICTS[c.verdict]
        if np.isfinite(c.low):
            axes.plot([scale * c.low, scale * c.high], [row, row], color=colour, linewidth=2.2)
        axes.plot(scale * c.difference, row, "o", color=colour, markersize=6)
        seeds = scale * (arms[c.name].scores - evidence.baseline.scores)
        axes.plot(seeds, np.full(len(seeds), row + 0.28), "|", color="#9aa1ac", markersize=5)
    axes.set_yticks(range(len(shown)), [f"{_plain(c.name)}  (n = {c.pairs})" for c in shown])
    axes.set_ylim(len(shown) - 0.3, -0.7)
    unit = f", {say.points}" if say.points else ""
    better = "→" if METRICS[evidence.metric].higher_is_better else "←"
    axes.set_xlabel(f"{say.validation}{unit} ({better} {say('verdicts.better')})")
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x", alpha=0.25)
    figure.legend(handles=legend, loc="outside lower center", ncols=2, frameon=False)
    return figure
