"""The first screen of a report: what was shown, what to do, and how sure one can be."""

from __future__ import annotations

import math

from mlp.evidence.comparison import SIGN_FLIP_FROM, VERDICT_FROM
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.report.blocks import Section, Text
from mlp.report.wording import Wording


def section(evidence: Evidence, say: Wording) -> Section:
    """What was shown and what to do."""
    shown, everywhere = headline(evidence, say), ("terminal", "markdown", "page")
    said = [*shown, *_advice(evidence, say)]
    blocks = [Text(said, "verdict", everywhere, len(shown))]
    sure = certainty(evidence, say)
    return Section("", [*blocks, Text([sure])] if sure else blocks)


def question(evidence: Evidence, say: Wording) -> str:
    """The question of the suite."""
    study = evidence.study
    suite = "best-of" if study.suite.startswith("best-of-") else study.suite
    return say.named(f"question.{suite}", study.question)


def setting(evidence: Evidence, say: Wording) -> str:
    """One line: on what data, with how many arms, seeds and images."""
    return say(
        "sub",
        data=evidence.study.data_name,
        arms=say("arms" if len(evidence.arms) > 1 else "one.arms", n=len(evidence.arms)),
        n=len(evidence.study.pairs),
        unit=say.unit if len(evidence.study.pairs) > 1 else say.one,
        images=_images(evidence),
        each=say("each") if evidence.overlap is not None else "",
    )


def _images(evidence: Evidence) -> int:
    """Validation images of a run."""
    runs = evidence.study.runs
    return max((len(r.evaluation.labels) for r in runs if r.evaluation is not None), default=0)


def headline(evidence: Evidence, say: Wording) -> list[str]:
    """What the study showed, the most important first."""
    if not evidence.ranked():
        return [say("nothing")]
    base = evidence.baseline.name
    if len(evidence.arms) == 1:
        only = evidence.baseline
        return [
            say(
                "single",
                arm=base,
                metric=say.metric_name,
                score=say.spread(only.mean, only.deviation),
            )
        ]
    if not evidence.baseline.finished:
        return [say("no_baseline", baseline=base)]
    sign = evidence.sign
    dead = [c.name for c in evidence.comparisons if not c.pairs]
    compared = [c for c in evidence.comparisons if c.pairs]
    by = sorted(compared, key=lambda c: -sign * c.difference)
    lines = []
    for verdict, key in (("better", "helps"), ("worse", "hurts")):
        lines += [
            say(
                key,
                arm=c.name,
                difference=say.difference(c.difference),
                metric=say.metric_name,
                interval=say.interval(c),
                n=c.pairs,
            )
            for c in by
            if c.verdict == verdict
        ]
        if verdict == "better" and not lines:
            lines.append(say("none_better", baseline=base))
    same = [c.name for c in by if c.verdict == "no difference shown"]
    if same:
        lines.append(say("no_difference", arms=say.list_of(same)))
    few = [
        say("needed", arm=c.name, difference=say.difference(c.difference), needed=c.pairs_needed)
        if c.pairs_needed
        else c.name
        for c in by
        if c.verdict == "too few seeds to tell"
    ]
    if few:
        lines.append(say("too_few", unit=say.unit, arms=say.list_of(few)))
    if dead:
        lines.append(say("none_finished", arms=say.list_of(dead)))
    stuck = [
        c.name
        for c in by
        if c.verdict == "no difference shown" and c.pairs_needed is None and c.from_images
    ]
    if stuck and evidence.overlap is None:
        lines.append(say("images_needed", arms=say.list_of(stuck), images=_images(evidence)))
    return lines


def _advice(evidence: Evidence, say: Wording) -> list[str]:
    """What to do."""
    ranked = evidence.ranked()
    if len(evidence.arms) == 1 or not ranked or not evidence.baseline.finished:
        return []
    best, base = ranked[0], evidence.baseline
    proven = _proven(evidence)
    lines = []
    if proven:
        chosen = proven[0]
        text = say("do.use", arm=chosen.name, score=say.score(chosen.mean), baseline=base.name)
        lead = evidence.lead
        if chosen is not best:
            text += " " + say("do.luckier", arm=best.name, best=say.score(best.mean))
        elif lead is not None and not math.isnan(lead.low) and ranked[1] is not base:
            chance = lead.low <= 0 <= lead.high
            text += " " + say(
                "do.second",
                second=ranked[1].name,
                difference=say.difference(lead.difference),
                interval=say.interval(lead),
                luck=say("luck") if chance else "",
            )
        lines.append(text)
    elif best is base:
        lines.append(say("do.baseline", baseline=base.name, score=say.score(base.mean)))
    else:
        lines.append(
            say(
                "do.keep",
                baseline=base.name,
                score=say.score(base.mean),
                arm=best.name,
                best=say.score(best.mean),
            )
        )
    seeds = len({seed for seed, _ in evidence.study.pairs})
    wanted = [
        c.pairs_needed
        for c in evidence.comparisons
        if c.verdict == "too few seeds to tell" and c.pairs_needed
    ]
    if not say.folds and seeds < SIGN_FLIP_FROM:
        enough = max(SIGN_FLIP_FROM, min(wanted, default=SIGN_FLIP_FROM))
        lines.append(say("do.more_seeds", seeds=_more_seeds(evidence, enough)))
    return lines


def _proven(evidence: Evidence) -> list[ArmEvidence]:
    """The arms that were shown to be better, by their paired difference, the largest first."""
    shown = [a for a in evidence.arms if a.comparison and a.comparison.verdict == "better"]
    return sorted(
        shown, key=lambda a: -evidence.sign * a.comparison.difference if a.comparison else 0.0
    )


def _more_seeds(evidence: Evidence, count: int) -> str:
    """What to ask for so that the seeds that are recorded count among so many."""
    seeds = sorted({seed for seed, _ in evidence.study.pairs})
    first = int(evidence.study.base.get("seed", 0))
    if seeds == list(range(first, first + len(seeds))):
        return str(count)
    more = range(seeds[-1] + 1, seeds[-1] + 1 + count - len(seeds))
    return ",".join(map(str, [*seeds, *more]))


def certainty(evidence: Evidence, say: Wording) -> str:
    """How sure one can be."""
    if len(evidence.arms) == 1 or not evidence.ranked():
        return ""
    most = max((c.pairs for c in evidence.comparisons), default=0)
    if not most:
        return ""
    if most < VERDICT_FROM:
        return say("sure.few", n=most, unit=say.one if most == 1 else say.unit)
    return say("sure.all", count=len(evidence.comparisons))
