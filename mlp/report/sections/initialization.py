"""Initializations before the first step: signals through the layers, and the weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlp.escaping import figure as _plain
from mlp.evidence.findings import ArmEvidence, Evidence, InitialWeights
from mlp.predictions import Floats
from mlp.report.blocks import Grid, Picture, Section, Text
from mlp.report.drawing import BLUE, WIDTH
from mlp.report.wording import NONE, Wording

Signals = dict[str, tuple[Floats, Floats]]  # by signal and gradient: measured, promised
_MOST_LAYERS = 6  # whose histograms stand side by side


def signals(evidence: Evidence, say: Wording) -> Section:
    """Measured over promised mean squares, by arm, kind and layer."""
    shown = {arm.name: _measured(arm) for arm in evidence.arms if "init" in arm.changes}
    shown = {name: values for name, values in shown.items() if values}
    if not shown:
        return Section("", [])
    rows = [
        (name, say(kind), " · ".join(_ratio(m, p) for m, p in zip(*values, strict=True)))
        for name, kinds in shown.items()
        for kind, values in kinds.items()
    ]
    grid = Grid([say("arm"), "", say("signals.table")], rows, where=("page",))
    figure = Picture("signals", _signals(shown, say))
    return Section(say("heading.signals"), [Text([say("signals.text")]), figure, grid])


def weights(evidence: Evidence, say: Wording) -> Section:
    """A row of histograms an initialization."""
    figure = _weights(evidence.weights, say)
    return Section(say("heading.weights"), [Picture("weights", figure)] if figure else [])


def _ratio(measured: float, promised: float) -> str:
    return f"{measured / promised:.2f}" if promised > 0 else NONE


def _mean(values: Floats) -> float:
    """The mean of what was recorded: init network promises nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _measured(arm: ArmEvidence) -> Signals:
    """By signal and gradient: measured and promised mean squares of each layer, mean over runs."""
    found: Signals = {}
    for kind in ("signal", "gradient"):
        prefix = f"init/{kind}/"
        layers = sorted(
            {name.removeprefix(prefix) for r in arm.runs for name in r.metrics if prefix in name},
            key=lambda name: ([int(number) for number in re.findall(r"\d+", name)], name),
        )
        if layers:
            measured, promised = (
                np.array([_mean(arm.per_run(f"init/{kind}{part}/{n}")) for n in layers])
                for part in ("", "_promised")
            )
            found[kind] = measured, promised
    return found


def _signals(shown: Mapping[str, Signals], say: Wording) -> Figure:
    """Growth and decay of signals from layer to layer, measured and promised."""
    figure = Figure((WIDTH, 3.0), layout="constrained")
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


def _weights(weights: InitialWeights, say: Wording) -> Figure | None:
    """Histograms of each layer's weights before training, a row an initialization."""
    shown = {arm: layers for arm, layers in weights.items() if layers}
    if not shown:
        return None
    every = list(next(iter(shown.values())))
    places = np.unique(np.linspace(0, len(every) - 1, min(len(every), _MOST_LAYERS)).astype(int))
    layers = [every[place] for place in places]
    figure = Figure((WIDTH, 0.5 + 0.95 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), len(layers), squeeze=False)
    for line, (arm, of_arm) in zip(grid, shown.items(), strict=True):
        for axes, layer in zip(line, layers, strict=False):
            axes.set_yticks([])
            if layer in of_arm:
                edges, counts = of_arm[layer]
                axes.stairs(counts / counts.sum(), edges, fill=True, color=BLUE)
            axes.tick_params(labelsize=7)
            axes.xaxis.set_major_locator(MaxNLocator(2))
        line[0].set_ylabel(_plain(arm), rotation=0, ha="right", va="center")
    for place, axes in zip(places, grid[0], strict=True):
        axes.set_title(f"{say('layer')} {place + 1}")
    figure.supxlabel(say("weight"), fontsize=9)
    return figure
