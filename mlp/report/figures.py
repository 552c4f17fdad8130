"""The pictures of a report, as matplotlib figures."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mlp.escaping import figure as _plain
from mlp.evidence.findings import ArmEvidence, Evidence, Factorial
from mlp.metrics import METRICS, confusion
from mlp.report.wording import Wording

Floats = NDArray[np.float64]
Weights = Mapping[str, Mapping[str, tuple[Floats, Floats]]]  # by arm and layer: edges, counts

# Inches: what fits a printed page, and what is still legible across a phone
_WIDTH, _NARROW = 7.0, 5.0
_MOST_LAYERS = 6  # whose histograms stand side by side
_BLUE, _RED, _GRAY = "#0b5cad", "#b3261e", "#6b7280"
_VERDICT = {"better": _BLUE, "worse": _RED}
_TEXT = {"font.size": 9, "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False}


def draw(evidence: Evidence, say: Wording, weights: Weights) -> dict[str, Figure]:
    """All figures that this study has something for, by the name of their file."""
    with matplotlib.rc_context(_TEXT):  # type: ignore[arg-type]
        made = {
            "differences": _forest(evidence, say),
            "curves": _curves(evidence, say),
            "gap": _gap(evidence, say),
            "confusion": _confusions(evidence, say),
            "signals": _signals(evidence, say),
            "weights": _weights(weights, say),
        }
        for number, factorial in enumerate(evidence.factorials):
            made[f"interaction_{number}"] = _interaction(evidence, factorial, say)
    return {name: figure for name, figure in made.items() if figure is not None}


def png(figure: Figure) -> bytes:
    """A figure as a picture file."""
    buffer = io.BytesIO()
    with _without_warnings():
        figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """A figure as a drawing to stand inside a page."""
    buffer = io.StringIO()
    # Without the salt, ids and with them the file would differ from one call to the next
    with matplotlib.rc_context({"svg.hashsalt": "mlp"}), _without_warnings():
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """A letter that the font lacks, such as an emoji, is drawn as a box without a word."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def _scale(evidence: Evidence) -> float:
    return 100.0 if METRICS[evidence.metric].percent else 1.0


def _forest(evidence: Evidence, say: Wording) -> Figure | None:
    """Differences from the baseline with their intervals."""
    shown = [c for c in evidence.comparisons if np.isfinite(c.difference)]
    if not shown:
        return None
    scale = _scale(evidence)
    figure = Figure((_NARROW, 0.9 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=_GRAY, linewidth=1)
    for row, c in enumerate(shown):
        colour = _VERDICT.get(c.verdict, _GRAY)
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
    unit = say("points") if METRICS[evidence.metric].percent else say("nats")
    better = "→" if METRICS[evidence.metric].higher_is_better else "←"
    axes.set_xlabel(f"{say('val', metric=say.metric_name)}, {unit} ({better} {say('better')})")
    axes.grid(axis="x", alpha=0.25)
    return figure


def _curves(evidence: Evidence, say: Wording) -> Figure | None:
    """Training and validation accuracy of each arm, mean and range over runs, on the baseline's."""
    arms = [arm for arm in evidence.arms if _stacked(arm, "val/accuracy").size]
    if not arms:
        return None
    columns = min(4, len(arms))
    rows = -(-len(arms) // columns)
    figure = Figure((_WIDTH, 0.5 + 1.75 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(arms) :]:
        axes.set_axis_off()
    base = _stacked(evidence.baseline, "val/accuracy")
    for axes, arm in zip(grid.flat, arms, strict=False):
        if arm is not evidence.baseline and base.size:
            axes.plot(*_mean_line(base), color="#b9bec7", linewidth=1)
        for name, colour, label in (
            ("train/accuracy", "#d08700", say("train")),
            ("val/accuracy", _BLUE, say("validation")),
        ):
            values = _stacked(arm, name)
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
    figure.supylabel(f"{say('metric.accuracy')}, %", fontsize=9)
    return figure


def _stacked(arm: ArmEvidence, name: str) -> Floats:
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
    figure = Figure((_NARROW, 0.8 + 0.28 * len(arms)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=_GRAY, linewidth=1)
    for row, arm in enumerate(arms):
        gaps = 100 * arm.per_run("final/gap_accuracy")
        axes.plot(gaps, np.full(len(gaps), row), "o", color=_BLUE, alpha=0.45, markersize=4)
        axes.plot(np.nanmean(gaps), row, "|", color="black", markersize=15, markeredgewidth=2)
    axes.set_yticks(range(len(arms)), [f"{_plain(a.name)}  (n = {len(a.finished)})" for a in arms])
    axes.invert_yaxis()
    axes.set_xlabel(f"{say('gap')}, {say('points')}")
    axes.grid(axis="x", alpha=0.25)
    return figure


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
    figure = Figure((_WIDTH, 3.1), layout="constrained")
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
    figure.supxlabel(_wrapped(names, 105), fontsize=7, color=_GRAY)
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


def _interaction(evidence: Evidence, factorial: Factorial, say: Wording) -> Figure | None:
    """Two lines: parallel where the effects add up."""
    arms = [evidence.arm(n) for n in (factorial.first, factorial.second, factorial.both)]
    first, second, both = arms
    if not (first and second and both and all(a.finished for a in (first, second, both))):
        return None
    scale = _scale(evidence)
    figure = Figure((_NARROW, 2.4), layout="constrained")
    axes = figure.subplots()
    for line, colour, label in (
        ((evidence.baseline, first), _GRAY, f"{say('without')} {_plain(second.name)}"),
        ((second, both), _BLUE, f"{say('with')} {_plain(second.name)}"),
    ):
        means = [scale * arm.mean for arm in line]
        axes.plot([0, 1], means, "o-", color=colour, label=label)
        for x, arm in enumerate(line):
            runs = scale * arm.scores
            axes.plot(np.full(len(runs), x + 0.03), runs, "_", color=colour, alpha=0.6)
    axes.set_xticks([0, 1], [f"{say(w)} {_plain(first.name)}" for w in ("without", "with")])
    axes.set_xlim(-0.3, 1.3)
    unit = ", %" if METRICS[evidence.metric].percent else ""
    axes.set_ylabel(f"{say('val', metric=say.metric_name)}{unit}")
    axes.legend(frameon=False)
    axes.grid(axis="y", alpha=0.25)
    return figure


def signals(arm: ArmEvidence) -> dict[str, tuple[Floats, Floats]]:
    """By signal and gradient: measured and promised mean squares of each layer, mean over runs."""
    found = {}
    for kind in ("signal", "gradient"):
        prefix = f"init/{kind}/"
        layers = sorted(
            {name.removeprefix(prefix) for r in arm.runs for name in r.metrics if prefix in name},
            key=lambda name: [int(number) for number in re.findall(r"\d+", name)],
        )
        if layers:
            measured, promised = (
                np.array([np.nanmean(arm.per_run(f"init/{kind}{part}/{n}")) for n in layers])
                for part in ("", "_promised")
            )
            found[kind] = measured, promised
    return found


def _signals(evidence: Evidence, say: Wording) -> Figure | None:
    """Growth and decay of signals from layer to layer, measured and promised."""
    shown = {arm.name: signals(arm) for arm in evidence.arms if "init" in arm.changes}
    shown = {name: values for name, values in shown.items() if values}
    if not shown:
        return None
    figure = Figure((_WIDTH, 3.0), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2), ("signal", "gradient"), strict=True):
        for number, (name, values) in enumerate(shown.items()):
            measured, promised = values[kind]
            layers = np.arange(1, len(measured) + 1)
            axes.plot(layers, promised, "-", color=f"C{number}", linewidth=1.2)
            axes.plot(layers, measured, "o", color=f"C{number}", markersize=4, label=_plain(name))
        axes.set_yscale("log")
        axes.set(xlabel=say("layer"), title=say(kind))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
    figure.axes[0].set_ylabel(say("mean_square"))
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=6,
        frameon=False,
    )
    return figure


def _weights(weights: Weights, say: Wording) -> Figure | None:
    """Histograms of each layer's weights before training, a row an initialization."""
    shown = {arm: layers for arm, layers in weights.items() if layers}
    if not shown:
        return None
    every = list(next(iter(shown.values())))
    places = np.unique(np.linspace(0, len(every) - 1, min(len(every), _MOST_LAYERS)).astype(int))
    layers = [every[place] for place in places]
    figure = Figure((_WIDTH, 0.5 + 0.95 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), len(layers), squeeze=False)
    for line, (arm, of_arm) in zip(grid, shown.items(), strict=True):
        for axes, layer in zip(line, layers, strict=False):
            axes.set_yticks([])
            if layer in of_arm:
                edges, counts = of_arm[layer]
                axes.stairs(counts / counts.sum(), edges, fill=True, color=_BLUE)
            axes.tick_params(labelsize=7)
            axes.xaxis.set_major_locator(MaxNLocator(2))
        line[0].set_ylabel(_plain(arm), rotation=0, ha="right", va="center")
    for place, axes in zip(places, grid[0], strict=True):
        axes.set_title(f"{say('layer')} {place + 1}")
    figure.supxlabel(say("weight"), fontsize=9)
    return figure
