"""Pairs of changes that a study has alone and together: do their effects add up?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mlp.escaping import figure as _plain
from mlp.evidence.findings import Evidence, Factorial
from mlp.report.blocks import Picture, Section, Text
from mlp.report.drawing import BLUE, GRAY, NARROW
from mlp.report.wording import NONE, Wording


def section(evidence: Evidence, say: Wording) -> Section:
    """A sentence and a figure for each pair."""
    blocks: list[Text | Picture] = []
    for number, factorial in enumerate(evidence.factorials):
        blocks.append(Text([text(evidence, factorial, say)]))
        figure = _figure(evidence, factorial, say)
        if figure is not None:
            blocks.append(Picture(f"interaction_{number}", figure, narrow=True))
    return Section(say("heading.interaction"), blocks)


def text(evidence: Evidence, factorial: Factorial, say: Wording) -> str:
    """Do two changes add up?"""
    effect = factorial.effects[2]
    score = {
        name: say.score(arm.mean) if (arm := evidence.arm(name)) else NONE
        for name in (factorial.first, factorial.second, factorial.both)
    }
    return say(
        "interaction.text",
        first=factorial.first,
        second=factorial.second,
        both=score[factorial.both],
        one=score[factorial.first],
        two=score[factorial.second],
        neither=say.score(evidence.baseline.mean),
        difference=say.difference(effect.difference),
        interval=say.interval(effect),
        n=effect.pairs,
        said=say(f"interaction.{effect.verdict}", margin=say.margin(effect.margin)),
    )


def _figure(evidence: Evidence, factorial: Factorial, say: Wording) -> Figure | None:
    """Two lines: parallel where the effects add up."""
    arms = [evidence.arm(n) for n in (factorial.first, factorial.second, factorial.both)]
    first, second, both = arms
    if not (first and second and both and all(a.finished for a in (first, second, both))):
        return None
    scale = say.scale
    figure = Figure((NARROW, 2.4), layout="constrained")
    axes = figure.subplots()
    for line, colour, label in (
        ((evidence.baseline, first), GRAY, f"{say('without')} {_plain(second.name)}"),
        ((second, both), BLUE, f"{say('with')} {_plain(second.name)}"),
    ):
        means = [scale * arm.mean for arm in line]
        axes.plot([0, 1], means, "o-", color=colour, label=label)
        for x, arm in enumerate(line):
            runs = scale * arm.scores
            axes.plot(np.full(len(runs), x + 0.03), runs, "_", color=colour, alpha=0.6)
    axes.set_xticks([0, 1], [f"{say(w)} {_plain(first.name)}" for w in ("without", "with")])
    axes.set_xlim(-0.3, 1.3)
    unit = f", {say.percent}" if say.percent else ""
    axes.set_ylabel(f"{say.validation}{unit}")
    axes.legend(frameon=False)
    axes.grid(axis="y", alpha=0.25)
    return figure
