"""The classes that are confused, by the baseline and by the best other arm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp.escaping import figure as _plain
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.fonts import named
from mlp.predictions import Floats, confusion
from mlp.report.blocks import Grid, Picture, Section
from mlp.report.drawing import GRAY, WIDTH
from mlp.report.wording import Wording
from mlp.tracking.lettering import font

_WRITTEN = 12  # classes: with more of them the cells have no numbers
_SIDE_BY_SIDE = 30  # classes: with more of them each matrix is as large as a page
_LONG, _KEY = 22, 70  # letters of a name beside its row, and in the key
_LISTED = 10  # confusions


def section(evidence: Evidence, say: Wording) -> Section:
    """The matrices as pictures, and of many classes the most frequent confusions as a table."""
    others = [arm for arm in evidence.ranked() if arm is not evidence.baseline]
    if not evidence.baseline.finished or not others:
        return Section(say("heading.confusion"), [])
    arms = evidence.baseline, others[0]
    given = next(r.evaluation.classes for r in arms[0].runs if r.evaluation is not None)
    names = [named(name, label) for label, name in enumerate(given)]
    shares = row_shares(arms[0]), row_shares(arms[1])
    caption = say("confusion.text", n=len(evidence.baseline.finished))
    blocks: list[Picture | Grid] = [
        Picture("confusion", _figure(arms, shares, names, say), caption)
    ]
    if len(names) > _WRITTEN:
        blocks.append(_frequent(arms, shares, given, say))
    return Section(say("heading.confusion"), blocks)


def _figure(
    arms: tuple[ArmEvidence, ArmEvidence],
    shares: tuple[Floats, Floats],
    names: Sequence[str],
    say: Wording,
) -> Figure:
    """The baseline's matrix, the best other arm's and their difference.

    Of many classes there are two large ones, one below the other, to zoom into. Places are in
    inches: layout engines would measure hundreds of names, which takes seconds.
    """
    count, large = len(names), len(names) > _SIDE_BY_SIDE
    labels, key = _labels(names)
    longest = max(font(72, label).getlength(label) / 72**2 for label in labels)  # a point high
    letters = min(6.5, 0.75 * 72 * (5.5 if large else 1.8) / count)
    left = 0.4 + longest * letters
    size = WIDTH - left if large else (WIDTH - left - 0.2) / 3
    flat = longest * letters < 0.9 * size / count  # or the names of the columns stand upright
    below = 0.15 if flat else longest * letters + 0.08
    step = size + below + 0.3
    foot = 0.3 + 0.13 * len(key)
    height = foot + step * (2 if large else 1)
    figure = Figure((WIDTH, height))
    theirs, ours = shares
    change, (baseline, best) = ours - theirs, (arm.name for arm in arms)
    limit = max(1.0, float(np.abs(change).max()))
    panels = [(theirs, baseline, "Blues", 0.0, 100.0), (ours, best, "Blues", 0.0, 100.0)]
    if not large:
        title = say("confusion.difference", arm=best, baseline=baseline)
        panels.append((change, title, "RdBu", -limit, limit))
    for k, (values, title, colours, low, full) in enumerate(panels):
        x = left + (0 if large else k * (size + 0.1))
        y = foot + below + (step * (1 - k) if large else 0)
        axes = figure.add_axes((x / WIDTH, y / height, size / WIDTH, size / height))
        axes.imshow(values, cmap=colours, vmin=low, vmax=full, interpolation="none")
        axes.set_title(_plain(title), fontsize=8)
        axes.set_xticks(range(count), labels, fontsize=letters, rotation=0 if flat else 90)
        axes.set_yticks(range(count), labels if large or not k else [], fontsize=letters)
        axes.tick_params(length=0, pad=2)
        if count <= _WRITTEN:
            _write_cells(axes, values, full, min(6.5, 0.36 * 72 * size / count))
        if large or not k:
            figure.text(
                0.1 / WIDTH,
                (y + size / 2) / height,
                say("true"),
                fontsize=8,
                rotation=90,
                va="center",
            )
    figure.text(
        0.5 + left / 2 / WIDTH, foot / height, say("predicted"), fontsize=8, ha="center", va="top"
    )
    for k, line in enumerate(key):
        y = (foot - 0.2 - 0.13 * k) / height
        figure.text(0.1 / WIDTH, y, line, fontsize=7, color=GRAY, va="top")
    return figure


def _labels(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names as they fit beside rows and columns, and a key to those that do not."""
    labels, key = [], []
    for number, name in enumerate(names, 1):
        if len(name) > _LONG:
            key.append(f"{number}: {name}"[:_KEY])
            name = f"{number}: {name}"[: _LONG - 1].rstrip() + "…"
        labels.append(_plain(name))
    return labels, _wrapped(map(_plain, key), 110)


def _frequent(
    arms: tuple[ArmEvidence, ArmEvidence],
    shares: tuple[Floats, Floats],
    names: Sequence[str],
    say: Wording,
) -> Grid:
    """The confusions that are most frequent in either arm: percent of the true class."""
    highest = np.maximum(*shares)
    np.fill_diagonal(highest, 0)
    order = np.argsort(-highest, axis=None, kind="stable")[:_LISTED]
    pairs = [
        (t, s)
        for t, s in zip(*np.unravel_index(order, highest.shape), strict=True)
        if highest[t, s]
    ]
    rows = [(names[t], names[s], *(f"{own[t, s]:.0f}%" for own in shares)) for t, s in pairs]
    headings = say("true"), say("predicted"), *(arm.name for arm in arms)
    return Grid(headings, rows, left=2, where=("page",))


def row_shares(arm: ArmEvidence) -> Floats:
    """Percent of each true class, mean over runs; classes without images stay 0."""
    shares = []
    for run in arm.runs:
        if run.evaluation is not None:
            counts = confusion(run.evaluation)
            shares.append(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return np.asarray(np.mean(shares, axis=0))


def _write_cells(axes: Axes, values: Floats, full: float, size: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        if abs(value) >= 0.5:
            ink = "white" if abs(value) > 0.6 * full else "black"
            text = f"{value:.0f}".replace("-", "−")
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)


def _wrapped(parts: Iterable[str], width: int) -> list[str]:
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) <= width:
            lines[-1] += f"   {part}"
        else:
            lines.append(part)
    return lines
