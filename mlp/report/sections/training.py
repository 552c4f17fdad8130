"""The course of the trainings: overfitting, divergence, and the time until the target."""

from __future__ import annotations

import numpy as np

from mlp.evidence.comparison import Comparison
from mlp.evidence.dynamics import TARGET_SHARE, Overfitting
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.predictions import Floats
from mlp.report.blocks import Cell, Grid, Section, Text
from mlp.report.wording import NONE, Wording

# Fields of `Dynamics` in the table, and the form of their numbers
_SHOWN = {
    "epochs_to_target": "{:.1f}",
    "seconds_to_target": "{:.1f}",
    "roughness": "{:.3f}",
    "last_loss": "{:.2f}",
}


def section(evidence: Evidence, say: Wording) -> Section:
    """Sentences, and a table with paired differences from the baseline."""
    if not evidence.baseline.finished:
        return Section("", [])
    columns = ("reached", "speed", "seconds", "roughness", "loss")
    headings = [say("arm"), *(say(f"dynamics.{key}") for key in columns), say("gap")]
    legend = say("dynamics.head", share=TARGET_SHARE, baseline=evidence.baseline.name)
    grid = Grid(headings, [_row(arm) for arm in evidence.arms], where=("page",))
    return Section(
        say("heading.dynamics"), [Text(_course(evidence, say)), Text([legend], "soft"), grid]
    )


def _row(arm: ArmEvidence) -> list[Cell]:
    reached = int(np.isfinite(arm.of_dynamics("epochs_to_target")).sum())
    row: list[Cell] = [arm.name, f"{reached} / {len(arm.runs)}"]
    for name, form in _SHOWN.items():
        row.append(_cell(arm.of_dynamics(name), form, arm.differences.get(name)))
    gaps = 100 * arm.per_run("final/gap_accuracy")
    return [*row, _cell(gaps, "{:.1f}", arm.differences.get("gap"), 100)]


def _cell(values: Floats, form: str, paired: Comparison | None, scale: float = 1) -> Cell:
    """A mean, and below it the paired difference with a star where its interval leaves out 0."""
    values = values[np.isfinite(values)]
    mean = form.format(values.mean()) if len(values) else NONE
    if paired is None or not paired.pairs:
        return mean
    form = form.replace(":", ":+")
    text = form.format(scale * paired.difference)
    # Seeds that agree on a whole number of epochs would leave no doubt
    if paired.low < paired.high:
        text += f" [{form.format(scale * paired.low)}, {form.format(scale * paired.high)}]"
        text += " *" if paired.shown else ""
    return mean, text.replace("-", "−")


def _course(evidence: Evidence, say: Wording) -> list[str]:
    """The trainings in sentences: what overfits, what never learned, what diverged."""
    lines = []
    calm = []
    for arm in evidence.arms:
        count = len(arm.finished)
        diverged = sum(run.diverged for run in arm.runs)
        if diverged:
            lines.append(say("diverged", arm=arm.name, k=diverged, n=len(arm.runs)))
        if not count:
            continue
        if arm.learned < count:
            lines.append(say("never_learned", arm=arm.name, k=count - arm.learned, n=count))
        parted = [d.overfitting for d in arm.dynamics if d is not None and d.overfitting]
        if parted:
            lines.append(_overfits(arm.name, parted, count, say))
        else:
            calm.append(arm.name)
    if calm:
        lines.append(say("overfits.none", arms=say.list_of(calm)))
    return lines


def _overfits(arm: str, parted: list[Overfitting], count: int, say: Wording) -> str:
    def mean(name: str) -> float:
        return float(np.mean([getattr(each, name) for each in parted]))

    return say(
        "overfits.runs",
        arm=arm,
        k=len(parted),
        n=count,
        epoch=f"{np.median([each.epoch for each in parted]):.0f}",
        val_from=mean("val_from"),
        val_to=mean("val_to"),
        train_from=mean("train_from"),
        train_to=mean("train_to"),
    )
