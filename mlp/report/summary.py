"""The first screen of a report: what to do, how sure one can be, and the table of all arms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlp.escaping import line as one_line
from mlp.evidence.comparison import SIGN_FLIP_FROM, VERDICT_FROM
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.metrics import METRICS
from mlp.report.wording import NONE, Wording


def question(evidence: Evidence, say: Wording) -> str:
    """The question of the suite, in the language of the report."""
    key = f"question.{evidence.study.suite}"
    return say(key) if say.has(key) else one_line(evidence.study.question)


def about(arm: ArmEvidence, say: Wording) -> str:
    """What an arm is there to show."""
    key = f"about.{arm.name}"
    return say(key) if say.has(key) else one_line(arm.about)


def setting(evidence: Evidence, say: Wording) -> str:
    """One line: on what data, with how many arms, seeds and images."""
    return say(
        "sub",
        data=evidence.study.data_name,
        arms=say("arms" if len(evidence.arms) > 1 else "one.arms", n=len(evidence.arms)),
        n=len(evidence.study.pairs),
        unit=say.unit if len(evidence.study.pairs) > 1 else one(say),
        images=images(evidence),
        each=say("each") if evidence.overlap is not None else "",
    )


def images(evidence: Evidence) -> int:
    """Validation images of a run."""
    runs = evidence.study.runs
    return max((len(r.evaluation.labels) for r in runs if r.evaluation is not None), default=0)


def one(say: Wording) -> str:
    """The singular of what pairs are called."""
    return say("one.pairs" if say.folds else "one.seeds")


def headline(evidence: Evidence, say: Wording) -> list[str]:
    """What the study showed, the most important first."""
    if not evidence.ranked():
        return [say("nothing")]
    base = evidence.baseline.name
    if len(evidence.arms) == 1:
        return [
            say(
                "single",
                arm=base,
                metric=say.metric_name,
                score=spread(evidence.baseline, say),
            )
        ]
    if not evidence.baseline.finished:
        return [say("no_baseline", baseline=base)]
    sign = 1 if METRICS[evidence.metric].higher_is_better else -1
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
        lines.append(say("images_needed", arms=say.list_of(stuck), images=images(evidence)))
    return lines


def advice(evidence: Evidence, say: Wording) -> list[str]:
    """What to do."""
    ranked = evidence.ranked()
    if len(evidence.arms) == 1 or not ranked or not evidence.baseline.finished:
        return []
    best, base = ranked[0], evidence.baseline
    proven = proven_arms(evidence)
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


def proven_arms(evidence: Evidence) -> list[ArmEvidence]:
    """The arms that were shown to be better, by their paired difference, the largest first."""
    sign = 1 if METRICS[evidence.metric].higher_is_better else -1
    shown = [a for a in evidence.arms if a.comparison and a.comparison.verdict == "better"]
    return sorted(shown, key=lambda a: -sign * a.comparison.difference if a.comparison else 0.0)


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
        return say("sure.few", n=most, unit=one(say) if most == 1 else say.unit)
    return say("sure", count=len(evidence.comparisons))


def spread(arm: ArmEvidence, say: Wording) -> str:
    """Mean and standard deviation of the scores of an arm: `64.1 ± 1.1%`."""
    if math.isnan(arm.mean):
        return NONE
    if math.isnan(arm.deviation):
        return say.score(arm.mean)
    if METRICS[say.metric].percent:
        return f"{100 * arm.mean:.1f} ± {100 * arm.deviation:.1f}%"
    return f"{arm.mean:.3f} ± {arm.deviation:.3f}"


def table(evidence: Evidence, say: Wording) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row an arm."""
    base = evidence.baseline
    headings = [
        say("arm"),
        "n",
        say("val", metric=say.metric_name),
        say("difference", baseline=base.name),
        say("interval"),
        say("p"),
        say("verdict"),
        say("epochs"),
        say("gap"),
    ]
    leaked = any(np.isfinite(arm.per_run("final/unseen_accuracy")).any() for arm in evidence.arms)
    if leaked:
        headings.append(say("unseen"))
    if len(evidence.arms) == 1:
        headings = [h for k, h in enumerate(headings) if k not in (3, 4, 5, 6)]
    rows = []
    for arm in evidence.arms:
        c = arm.comparison
        row = [arm.name, str(len(arm.finished)), spread(arm, say)]
        if c is not None:
            known = not math.isnan(c.low)
            row += [say.number(c.difference), say.interval(c) if known else NONE]
            row += [_p(c.p_holm), say(c.verdict)]
        elif len(evidence.arms) > 1:
            row += ["", "", "", say("baseline")]
        row += [_mean(arm.per_run("facts/epochs"), "{:.3g}")]
        row += [_mean(100 * arm.per_run("final/gap_accuracy"), "{:.1f}")]
        if leaked:
            row += [_mean(100 * arm.per_run("final/unseen_accuracy"), "{:.1f}%")]
        rows.append(row)
    return headings, rows


def _p(value: float) -> str:
    if math.isnan(value):
        return NONE
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table as text: the first `left` columns to the left, the others to the right."""
    head, *body = lines = [[one_line(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(headings))]

    def write(line: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if k < left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([write(head), rule, *map(write, body)])


def _mean(values: np.ndarray, form: str) -> str:
    known = values[np.isfinite(values)]
    return form.format(known.mean()).replace("-", "−") if len(known) else NONE


def failures(evidence: Evidence, say: Wording) -> list[str]:
    """A line for each planned run that has no score."""
    lines = []
    for run in evidence.unfinished:
        fold = "" if run.fold == "none" else f", {one(say)} {run.fold}"
        status = say(f"status.{run.status}")
        why = f": {one_line(run.reason)}" if run.reason else ""
        lines.append(f"{run.arm}, {say('one.seeds')} {run.seed}{fold}: {status}{why}")
    return lines
