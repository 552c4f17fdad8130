"""The first screen of a report: what was shown, what to do, and how sure one can be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from mlp.evidence.comparison import POINT, Comparison, Verdict
from mlp.evidence.findings import Evidence
from mlp.evidence.looks import FIRST_LOOK, MOST_PAIRS
from mlp.report.blocks import Section, Text
from mlp.report.wording import Wording

_MOST_ADVISED = 100  # pairs; nobody trains more for an answer


def section(evidence: Evidence, say: Wording) -> Section:
    """The findings and the advice."""
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
    """The findings of the study, the most important first."""
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
    images, each = _images(evidence), evidence.overlap is not None
    return findings(evidence.comparisons, base, evidence.margin, say, images, each)


def findings(
    comparisons: Sequence[Comparison],
    baseline: str,
    margin: float,
    say: Wording,
    images: int,
    each: bool,
) -> list[str]:
    """A sentence for each verdict, the best arm first.

    `images`: validation images of a run; `each`: it has its own.
    """
    sign = 1 if say.measure.higher_is_better else -1
    known = sorted((c for c in comparisons if c.pairs), key=lambda c: -sign * c.difference)
    lines = [*_found(("better", "slightly better"), known, say)]
    lines = lines or [say("none_better", baseline=baseline)]
    lines += _found(("worse", "slightly worse"), known, say)
    same = [c.name for c in known if c.verdict == "equal"]
    if same:
        shown = say.margin(margin)
        lines.append(say("found.equal", baseline=baseline, margin=shown, arms=say.list_of(same)))
    lines += _undecided(known, margin, say, images, each)
    dead = [c.name for c in comparisons if not c.pairs]
    if dead:
        lines.append(say("none_finished", arms=say.list_of(dead)))
    return lines


def _found(
    verdicts: Sequence[Verdict], comparisons: Sequence[Comparison], say: Wording
) -> list[str]:
    """A sentence for each comparison with one of these verdicts, the clearest verdict first."""
    return [
        say(
            f"found.{verdict}",
            arm=c.name,
            margin=say.margin(c.margin),
            difference=say.difference(c.difference),
            metric=say.metric_name,
            interval=say.interval(c),
            n=c.pairs,
        )
        for verdict in verdicts
        for c in comparisons
        if c.verdict == verdict
    ]


def _undecided(
    comparisons: Sequence[Comparison], margin: float, say: Wording, images: int, each: bool
) -> Iterator[str]:
    """The arms without a verdict, by what would bring one."""
    wanting = [c for c in comparisons if c.verdict == "undecided"]
    # A number of seeds is for a margin, and a point is none for a metric in any unit
    aimed = margin or say.measure.unit != "none"
    for remedy in ("few", "open", "seeds", "many", "edge", "images"):
        arms = [
            c
            for c in wanting
            if (_remedy(c) if aimed or c.pairs < FIRST_LOOK else "open") == remedy
        ]
        names = [
            say("needed", arm=c.name, needed=c.needed) if remedy == "seeds" else c.name
            for c in arms
        ]
        if arms:
            yield say(
                f"undecided.{remedy}",
                arms=say.list_of(names),
                unit=say.unit,
                least=FIRST_LOOK,
                most=MOST_PAIRS,
                margin=say.margin(margin or POINT),
                images=images,
                each=say("each") if each else "",
            )


def _remedy(comparison: Comparison) -> Literal["few", "seeds", "many", "edge", "images"]:
    """The lack of an undecided arm: first seeds, some or many more, a clearer place, or images."""
    if comparison.pairs < FIRST_LOOK:
        return "few"
    if comparison.needed is None:
        now = comparison.precision
        return "images" if now and now.common.any() else "many"
    return "seeds" if comparison.needed > comparison.pairs else "edge"


def _advice(evidence: Evidence, say: Wording) -> list[str]:
    """The advice: an arm to use, seeds to add."""
    ranked = evidence.ranked()
    if len(evidence.arms) == 1 or not ranked or not evidence.baseline.finished:
        return []
    best, base = ranked[0], evidence.baseline
    proven = evidence.proven()
    lines = []
    if proven:
        chosen = proven[0]
        text = say("do.use", arm=chosen.name, score=say.score(chosen.mean), baseline=base.name)
        lead = evidence.lead
        if chosen is not best:
            text += " " + say("do.luckier", arm=best.name)
        elif lead is not None and lead.pairs >= FIRST_LOOK and ranked[1] is not base:
            text += " " + say(
                "do.second",
                second=ranked[1].name,
                difference=say.difference(lead.difference),
                interval=say.interval(lead),
                luck="" if lead.shown else say("luck"),
            )
        lines.append(text)
    elif best.comparison is None:
        lines.append(say("do.baseline", baseline=base.name, score=say.score(base.mean)))
    else:
        lines.append(
            say(
                "do.keep",
                baseline=base.name,
                score=say.score(base.mean),
                arm=best.name,
                difference=say.difference(best.comparison.difference),
            )
        )
    wanted = [
        max(c.pairs + 1, c.needed or FIRST_LOOK)
        for c in evidence.comparisons
        if c.pairs and c.verdict == "undecided" and _remedy(c) not in ("images", "many")
    ]
    if wanted and min(wanted) <= _MOST_ADVISED:
        lines.append(_more_seeds(evidence, min(wanted), say))
    return lines


def _more_seeds(evidence: Evidence, pairs: int, say: Wording) -> str:
    """The advice to go on, with the value of `seeds` that gives so many pairs or more."""
    seeds = sorted({seed for seed, _ in evidence.study.pairs})
    folds = len(evidence.study.pairs) / len(seeds)
    count = max(len(seeds) + 1, math.ceil(pairs / folds))
    first = int(evidence.study.base.get("seed", 0))
    ragged = len({len(arm.runs) for arm in evidence.arms}) > 1  # by auto, which gave the rest up
    if not ragged and seeds == list(range(first, first + len(seeds))):
        return say("do.auto", seeds=count)
    if seeds == list(range(first, first + len(seeds))):
        return say("do.more_seeds", seeds=count)
    more = range(seeds[-1] + 1, seeds[-1] + 1 + count - len(seeds))
    return say("do.more_seeds", seeds=",".join(map(str, [*seeds, *more])))


def certainty(evidence: Evidence, say: Wording) -> str:
    """A sentence on how sure one can be."""
    if len(evidence.arms) == 1 or not evidence.ranked():
        return ""
    most = max((c.pairs for c in evidence.comparisons), default=0)
    if not most:
        return ""
    if most < FIRST_LOOK:
        return say("sure.few", n=most, unit=say.one if most == 1 else say.unit, least=FIRST_LOOK)
    count = len(evidence.comparisons)
    return say("sure.all", count=count) if count > 1 else say("sure.one")
