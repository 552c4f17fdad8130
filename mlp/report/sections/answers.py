"""The exercise's practical questions, answered in sentences made from what was measured."""

from __future__ import annotations

import math

import numpy as np

from mlp.evidence.comparison import Comparison
from mlp.evidence.dynamics import TARGET_SHARE
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.predictions import Floats
from mlp.report.blocks import Section, Terms
from mlp.report.sections import interaction
from mlp.report.sections.verdict import headline
from mlp.report.wording import NONE, Wording

# Times the loss of naming classes at random. A guess: far above what a sound start gives.
_HIGH_LOSS = 5


_ORDER = (
    "stability", "combined", "best", "loss", "convergence", "instability", "impact", "bias"
)  # fmt: skip


def section(evidence: Evidence, say: Wording) -> Section:
    """Question and answer."""
    pairs = answers(evidence, say)
    return Section(say("heading.questions"), [Terms(pairs)] if pairs else [])


def answers(evidence: Evidence, say: Wording) -> list[tuple[str, str]]:
    """Question and answer, for each question that this study can answer."""
    if not evidence.baseline.finished:
        return []
    found: dict[str, str] = {}
    norm = _only(evidence, "batch_norm")
    if norm is not None and norm.finished:
        found["stability"] = _stability(evidence, norm, say)
        found["loss"] = _loss(evidence, norm, say)
    for factorial in evidence.factorials:
        if norm is not None and norm.name in (factorial.first, factorial.second):
            found["combined"] = interaction.text(evidence, factorial, say)
    if evidence.study.suite == "regularization" and len(evidence.ranked()) > 1:
        found["best"] = _best(evidence, say)
    if all(set(arm.changes) == {"init"} for arm in evidence.arms):
        found["convergence"] = _convergence(evidence, say)
        found["instability"] = _instability(evidence, say)
        found["impact"] = " ".join(headline(evidence, say))
        found["bias"] = _bias(evidence, say)
    return [(say(f"asked.{key}"), found[key]) for key in _ORDER if key in found]


def _only(evidence: Evidence, setting: str) -> ArmEvidence | None:
    """The arm that changes this setting and nothing else."""
    return next((arm for arm in evidence.arms[1:] if set(arm.changes) == {setting}), None)


def _mean(values: Floats, form: str = "{:.2f}") -> str:
    known = values[np.isfinite(values)]
    return form.format(known.mean()) if len(known) else NONE


def paired(comparison: Comparison, say: Wording, form: str = "{:+.2f}") -> str:
    """A paired difference of dynamics in words, with its interval and n."""
    if not comparison.pairs:
        return NONE
    if not comparison.low < comparison.high:
        return f"{form.format(comparison.difference)} (n = {comparison.pairs})".replace("-", "−")
    low, high = form.format(comparison.low), form.format(comparison.high)
    return say(
        "paired",
        difference=form.format(comparison.difference),
        interval=f"{low} {say('to')} {high}",
        n=comparison.pairs,
        shown="" if comparison.shown else say("not_shown"),
    ).replace("-", "−")


def _stability(evidence: Evidence, norm: ArmEvidence, say: Wording) -> str:
    base = evidence.baseline
    return say(
        "answer.stability",
        share=TARGET_SHARE,
        ours=_mean(norm.of_dynamics("epochs_to_target"), "{:.1f}"),
        theirs=_mean(base.of_dynamics("epochs_to_target"), "{:.1f}"),
        speed=paired(norm.differences["epochs_to_target"], say, "{:+.1f}"),
        rough=_mean(norm.of_dynamics("roughness"), "{:.3f}"),
        base_rough=_mean(base.of_dynamics("roughness"), "{:.3f}"),
        roughness=paired(norm.differences["roughness"], say, "{:+.3f}"),
    )


def _loss(evidence: Evidence, norm: ArmEvidence, say: Wording) -> str:
    base = evidence.baseline
    return say(
        "answer.loss",
        first=_mean(norm.of_dynamics("first_loss")),
        base_first=_mean(base.of_dynamics("first_loss")),
        first_difference=paired(norm.differences["first_loss"], say),
        last=_mean(norm.of_dynamics("last_loss")),
        base_last=_mean(base.of_dynamics("last_loss")),
        last_difference=paired(norm.differences["last_loss"], say),
    )


def _best(evidence: Evidence, say: Wording) -> str:
    first, second, *_ = evidence.ranked()
    lead = evidence.lead
    assert lead is not None
    text = say(
        "answer.best",
        first=first.name,
        score=say.score(first.mean),
        second=second.name,
        next=say.score(second.mean),
        lead=f"{say.difference(lead.difference)} ({say('interval')} {say.interval(lead)})",
    )
    return " ".join([text, *headline(evidence, say)[:1]])


def _convergence(evidence: Evidence, say: Wording) -> str:
    parts = []
    for arm in evidence.arms:
        epochs = arm.of_dynamics("epochs_to_target")
        reached = int(np.isfinite(epochs).sum())
        if reached:
            mean = _mean(epochs, "{:.1f}")
            parts.append(
                say("answer.convergence.arm", arm=arm.name, epochs=mean, k=reached, n=len(arm.runs))
            )
        else:
            parts.append(say("answer.convergence.never", arm=arm.name))
    return say(
        "answer.convergence",
        share=TARGET_SHARE,
        baseline=evidence.baseline.name,
        list="; ".join(parts),
    )


def _instability(evidence: Evidence, say: Wording) -> str:
    lines = []
    for arm in evidence.arms:
        failed = sum(run.diverged for run in arm.runs)
        if failed:
            lines.append(say("diverged", arm=arm.name, k=failed, n=len(arm.runs)))
    steady = not lines
    lines = lines or [say("answer.finite")]
    chance = math.log(max(2, len(_classes(evidence))))
    high = []
    for arm in evidence.arms:
        first = arm.of_dynamics("first_loss")
        first = first[np.isfinite(first)]
        if len(first) and first.mean() > _HIGH_LOSS * chance:
            said = f"{first.mean():,.0f}".replace(",", "\u202f")
            high.append(say("answer.high_loss", arm=arm.name, first=said, chance=chance))
    if steady and not high:
        high = [say("answer.no_high_loss", chance=chance)]
    return " ".join(lines + high)


def _classes(evidence: Evidence) -> tuple[str, ...]:
    return next((r.evaluation.classes for r in evidence.study.runs if r.evaluation), ())


def _bias(evidence: Evidence, say: Wording) -> str:
    lines = [say("answer.bias")]
    default, constant = evidence.arm("default"), evidence.arm("constant")
    if default is not None and default.comparison is not None:
        c = default.comparison
        said = f"{say.difference(c.difference)} ({say('interval')} {say.interval(c)})"
        base = evidence.baseline.name
        lines.append(say("answer.bias.default", arm=default.name, baseline=base, difference=said))
    if constant is not None and constant.finished:
        score = say.score(constant.mean)
        lines.append(say("answer.bias.constant", arm=constant.name, score=score))
    return " ".join(lines)
