"""The classes that are confused, by the baseline and by the best other arm."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp.escaping import figure as _plain
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.predictions import Floats, confusion
from mlp.report.blocks import Picture, Section
from mlp.report.drawing import GRAY, WIDTH
from mlp.report.wording import Wording


def section(evidence: Evidence, say: Wording) -> Section:
    """Three matrices."""
    figure = _confusions(evidence, say)
    caption = say("confusion.text", n=len(evidence.baseline.finished))
    blocks = [Picture("confusion", figure, caption)] if figure else []
    return Section(say("heading.confusion"), blocks)


def _confusions(evidence: Evidence, say: Wording) -> Figure | None:
    """The baseline's confusion matrix, the best other arm's, and their difference."""
    others = [arm for arm in evidence.ranked() if arm is not evidence.baseline]
    if not evidence.baseline.finished or not others:
        return None
    base, best = evidence.baseline, others[0]
    classes = next(r.evaluation.classes for r in base.runs if r.evaluation is not None)
    if len(classes) > 30:
        return None
    ours, theirs = _confusion(best), _confusion(base)
    figure = Figure((WIDTH, 3.1), layout="constrained")
    grid = figure.subplots(1, 3)
    number = [str(k + 1) for k in range(len(classes))]
    change = ours - theirs
    limit = max(1.0, float(np.abs(change).max()))
    titles = base.name, best.name, say("confusion.difference", arm=best.name, baseline=base.name)
    for axes, values, title in zip(grid, (theirs, ours, change), titles, strict=True):
        if values is change:
            axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit)
        else:
            axes.imshow(values, cmap="Blues", vmin=0, vmax=100)
        axes.set_title(_plain(title), fontsize=8)
        axes.set_xticks(range(len(classes)), number, fontsize=6)
        axes.set_yticks(range(len(classes)), number, fontsize=6)
        axes.tick_params(length=0)
        if len(classes) <= 12:
            _write_cells(axes, values, 100.0 if values is not change else limit)
    grid[0].set_ylabel(say("true"))
    grid[1].set_xlabel(say("predicted"))
    names = "   ".join(f"{k + 1} {_plain(name[:24])}" for k, name in enumerate(classes))
    figure.supxlabel(_wrapped(names, 105), fontsize=7, color=GRAY)
    return figure


def _confusion(arm: ArmEvidence) -> Floats:
    """Percent of each true class, mean over runs; classes without images stay 0."""
    shares = []
    for run in arm.runs:
        if run.evaluation is not None:
            counts = confusion(run.evaluation)
            shares.append(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return np.asarray(np.mean(shares, axis=0))


def _write_cells(axes: Axes, values: Floats, full: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        if abs(value) >= 0.5:
            ink = "white" if abs(value) > 0.6 * full else "black"
            text = f"{value:.0f}".replace("-", "−")
            axes.text(column, row, text, ha="center", va="center", fontsize=5.5, color=ink)


def _wrapped(text: str, width: int) -> str:
    lines = [""]
    for part in text.split("   "):
        if len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += ("   " if lines[-1] else "") + part
    return "\n".join(lines)
