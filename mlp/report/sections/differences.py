"""The differences from the baseline with their intervals: a figure, and all numbers as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mlp.escaping import csv_text
from mlp.escaping import figure as _plain
from mlp.evidence.comparison import Comparison
from mlp.evidence.document import FIELDS, effects, of_study
from mlp.evidence.findings import Evidence
from mlp.predictions import Floats
from mlp.report.blocks import Picture, Section
from mlp.report.drawing import GRAY, NARROW, VERDICTS
from mlp.report.wording import Wording


def section(evidence: Evidence, say: Wording) -> Section:
    """A line an arm."""
    arms = {arm.name: arm.scores - evidence.baseline.scores for arm in evidence.arms}
    figure = forest(evidence.comparisons, arms, evidence.margin, say)
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


def forest(
    comparisons: Sequence[Comparison], of_pairs: Mapping[str, Floats], margin: float, say: Wording
) -> Figure | None:
    """Differences from the baseline with their intervals, beside the margin.

    `of_pairs`: those of the single pairs by arm.
    """
    shown = [c for c in comparisons if np.isfinite(c.difference)]
    if not shown:
        return None
    scale = say.scale
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
    for row, c in enumerate(shown):
        colour = VERDICTS[c.verdict]
        if np.isfinite(c.low):
            axes.plot([scale * c.low, scale * c.high], [row, row], color=colour, linewidth=2.2)
        axes.plot(scale * c.difference, row, "o", color=colour, markersize=6)
        pairs = scale * of_pairs.get(c.name, np.empty(0))
        axes.plot(pairs, np.full(len(pairs), row + 0.28), "|", color="#9aa1ac", markersize=5)
    axes.set_yticks(range(len(shown)), [f"{_plain(c.name)}  (n = {c.pairs})" for c in shown])
    axes.set_ylim(len(shown) - 0.3, -0.7)
    unit = f", {say.points}" if say.points else ""
    better = "→" if say.measure.higher_is_better else "←"
    axes.set_xlabel(f"{say.validation}{unit} ({better} {say('verdicts.better')})")
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x", alpha=0.25)
    figure.legend(handles=legend, loc="outside lower center", ncols=2, frameon=False)
    return figure
