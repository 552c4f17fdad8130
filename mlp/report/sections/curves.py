"""Learning curves, and how much better the training images are answered than the others."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mlp.escaping import figure as _plain
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.metrics import METRICS
from mlp.predictions import Floats
from mlp.report.blocks import Picture, Section
from mlp.report.drawing import BLUE, GRAY, NARROW, WIDTH
from mlp.report.wording import Wording


def curves(evidence: Evidence, say: Wording) -> Section:
    """The accuracies of each epoch."""
    figure = _curves(evidence, say)
    return Section(say("heading.curves"), [Picture("curves", figure)] if figure else [])


def gap(evidence: Evidence, say: Wording) -> Section:
    """The generalization gap."""
    figure = _gap(evidence, say)
    return Section(say("heading.gap"), [Picture("gap", figure, narrow=True)] if figure else [])


def _curves(evidence: Evidence, say: Wording) -> Figure | None:
    """Training and validation accuracy of each arm, mean and range over runs, on the baseline's."""
    arms = [arm for arm in evidence.arms if stacked(arm, "val/accuracy").size]
    if not arms:
        return None
    columns = min(4, len(arms))
    rows = -(-len(arms) // columns)
    figure = Figure((WIDTH, 0.5 + 1.75 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(arms) :]:
        axes.set_axis_off()
    base = stacked(evidence.baseline, "val/accuracy")
    for axes, arm in zip(grid.flat, arms, strict=False):
        if arm is not evidence.baseline and base.size:
            axes.plot(*_mean_line(base), color="#b9bec7", linewidth=1)
        for name, colour, label in (
            ("train/accuracy", "#d08700", say("train")),
            ("val/accuracy", BLUE, say("validation")),
        ):
            values = stacked(arm, name)
            epochs, mean = _mean_line(values)
            axes.plot(epochs, mean, color=colour, linewidth=1.4, label=label)
            low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
            axes.fill_between(epochs, 100 * low, 100 * high, color=colour, alpha=0.18, linewidth=0)
        axes.set_title(f"{_plain(arm.name)} (n = {len(arm.finished)})")
        axes.grid(alpha=0.2)
        axes.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    figure.supxlabel(say("epoch"), fontsize=9)
    figure.supylabel(f"{say.named('metric.accuracy', METRICS['accuracy'].words)}, %", fontsize=9)
    return figure


def stacked(arm: ArmEvidence, name: str) -> Floats:
    """A metric of all finished runs (runs, epochs), NaN after a run has stopped."""
    curves = [run.history[name] for run in arm.finished if name in run.history]
    longest = max((len(curve) for curve in curves), default=0)
    return np.array([np.pad(c, (0, longest - len(c)), constant_values=np.nan) for c in curves])


def _mean_line(values: Floats) -> tuple[Floats, Floats]:
    return np.arange(1, values.shape[1] + 1), 100 * np.nanmean(values, axis=0)


def _gap(evidence: Evidence, say: Wording) -> Figure | None:
    """Training minus validation accuracy: a dot a run, a line at the mean."""
    arms = [arm for arm in evidence.arms if arm.finished]
    if not arms:
        return None
    figure = Figure((NARROW, 0.8 + 0.28 * len(arms)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=GRAY, linewidth=1)
    for row, arm in enumerate(arms):
        gaps = 100 * arm.per_run("final/gap_accuracy")
        axes.plot(gaps, np.full(len(gaps), row), "o", color=BLUE, alpha=0.45, markersize=4)
        axes.plot(np.nanmean(gaps), row, "|", color="black", markersize=15, markeredgewidth=2)
    axes.set_yticks(range(len(arms)), [f"{_plain(a.name)}  (n = {len(a.finished)})" for a in arms])
    axes.invert_yaxis()
    axes.set_xlabel(f"{say('gap')}, {say('unit.percent')}")
    axes.grid(axis="x", alpha=0.25)
    return figure
