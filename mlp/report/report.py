"""A study's report: for a terminal, as the description of its run, as a page, and as tables.

Everything comes from what was recorded, so that a report can be made again at any time, in another
language or by another score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from mlp.escaping import csv_text
from mlp.escaping import markdown as _escape
from mlp.evidence.comparison import VERDICT_FROM, Comparison
from mlp.evidence.dynamics import TARGET_SHARE
from mlp.evidence.findings import Evidence, weigh
from mlp.report import figures, summary
from mlp.report.answers import answers, course, interaction
from mlp.report.page import render
from mlp.report.wording import NONE, Wording
from mlp.settings.study import ReportConfig
from mlp.study.record import RecordedStudy
from mlp.study.tracker import Studies
from mlp.tracking.mlflow.pages import run_page, view_page

_DESCRIPTION = 7800  # characters that MLflow shows of a description, with room for a first line


@dataclasses.dataclass(frozen=True)
class Report:
    """The parts of a report: `files` are artifacts by their path, `pictures` those for eyes."""

    terminal: str
    description: str
    files: Mapping[str, bytes]
    pictures: Mapping[str, bytes]
    metrics: Mapping[str, float]
    failure: str  # why there is nothing to report; empty where there is


def publish(studies: Studies, study: RecordedStudy, config: ReportConfig) -> Report:
    """Report on a study, and record that."""
    report = build(study, config, _initial_weights(studies, study))
    studies.report(study, config.metric, report.description, report.files, report.metrics)
    return report


def _initial_weights(studies: Studies, study: RecordedStudy) -> figures.Weights:
    """Of one run of each arm that is about the initialization."""
    found = {}
    for arm in study.arms:
        finished = [run for run in study.of(arm.name).values() if run.finished]
        if "init" in arm.changes and finished:
            found[arm.name] = studies.initial_weights(finished[0])
    return found


def build(study: RecordedStudy, config: ReportConfig, weights: figures.Weights) -> Report:
    """The report of a recorded study."""
    evidence = weigh(study, config.metric)
    folds = any(fold != "none" for _, fold in study.pairs)
    say = Wording(config.lang, config.metric, folds)
    drawn = figures.draw(evidence, say, weights)
    whole = markdown(evidence, say)
    pictures = {name: figures.png(figure) for name, figure in drawn.items()}
    files = {
        "report.html": html(evidence, say, drawn).encode(),
        "report.md": whole.encode(),
        "comparison.csv": comparison_csv(evidence).encode(),
        "scores.csv": scores_csv(evidence).encode(),
        **{f"figures/{name}.png": content for name, content in pictures.items()},
    }
    description = whole
    if len(whole) > _DESCRIPTION:
        description = markdown(evidence, say, links=False)
    text = terminal(evidence, say)
    return Report(text, description, files, pictures, numbers(evidence), study.failure)


def numbers(evidence: Evidence) -> dict[str, float]:
    """Of each arm the mean score and the mean difference from the baseline, for charts."""
    if len(evidence.arms) == 1:
        return {}
    metric = evidence.metric
    means = {f"{metric}/{arm.name}": arm.mean for arm in evidence.ranked()}
    differences = {
        f"{metric} difference/{c.name}": c.difference for c in evidence.comparisons if c.pairs
    }
    return means | differences


def terminal(evidence: Evidence, say: Wording) -> str:
    """The report as text: verdicts, then the table in columns."""
    table = summary.columns(*summary.table(evidence, say))
    sections = [
        [summary.question(evidence, say), summary.setting(evidence, say)],
        [table, *summary.failures(evidence, say)],
        [*summary.headline(evidence, say), *summary.advice(evidence, say)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def markdown(evidence: Evidence, say: Wording, links: bool = True) -> str:
    """The description of a study's run: verdict first, then the table, with `links` to the runs."""
    study = evidence.study
    lines = [f"## {_escape(summary.question(evidence, say))}", ""]
    lines += [f"**{_escape(line)}**" + "  " for line in summary.headline(evidence, say)]
    lines += ["", *(_escape(line) for line in summary.advice(evidence, say)), ""]
    lines += [f"> {_escape(say.remark(remark))}\n>" for remark in study.remarks]
    lines += [""] * bool(study.remarks)
    headings, rows = summary.table(evidence, say)
    shown = [*headings, say("runs")] if links else headings
    lines.append(f"| {' | '.join(map(_escape, shown))} |")
    lines.append(f"| --- |{' ---: |' * (len(headings) - 1)}{' --- |' * links}")
    for arm, row in zip(evidence.arms, rows, strict=True):
        pages = " ".join(
            f"[{_label(run.seed, run.fold)}]({run_page(study.experiment_id, run.run_id)})"
            for run in arm.runs
            if run.run_id
        )
        lines.append(f"| {' | '.join([*map(_escape, row), *[pages] * links])} |")
    lines += ["", *_all_runs(evidence, say), ""]
    lines += [summary.certainty(evidence, say), "", say("legend"), ""]
    lines += [f"- {_escape(line)}" for line in summary.failures(evidence, say)]
    return "\n".join(lines)


def _all_runs(evidence: Evidence, say: Wording) -> list[str]:
    """Links to the runs side by side."""
    study = evidence.study
    if not study.has_view:
        return []
    pages = {
        name: view_page(study.experiment_id, study.run_id, charts)
        for name, charts in (("table", False), ("charts", True))
    }
    return [say("all_runs", **pages)]


def _label(seed: int, fold: str) -> str:
    return str(seed) if fold == "none" else f"{seed}:{fold.split('/')[0]}"


def html(evidence: Evidence, say: Wording, drawn: Mapping[str, Figure]) -> str:
    """The report as one page with its pictures inside."""
    headings, rows = summary.table(evidence, say)
    verdicts = [arm.comparison.verdict if arm.comparison else "" for arm in evidence.arms]
    failed = summary.failures(evidence, say)
    unfinished = ""
    if failed:
        unfinished = say("incomplete", count=len(failed), all=len(evidence.study.runs))
    return render(
        "report.html.j2",
        say=say,
        lang=say.lang,
        title=summary.question(evidence, say),
        setting=summary.setting(evidence, say),
        headline=summary.headline(evidence, say),
        advice=summary.advice(evidence, say),
        certainty=summary.certainty(evidence, say),
        remarks=[say.remark(remark) for remark in evidence.study.remarks],
        unfinished=unfinished,
        headings=headings,
        rows=list(zip(evidence.arms, rows, verdicts, strict=True)),
        about=[(arm.name, summary.about(arm, say)) for arm in evidence.arms],
        baseline=evidence.baseline.name,
        dynamics=_dynamics_table(evidence, say),
        share=TARGET_SHARE,
        course=course(evidence, say),
        interactions=[interaction(evidence, f, say) for f in evidence.factorials],
        runs_compared=len(evidence.baseline.finished),
        questions=answers(evidence, say),
        signals=_signals_table(evidence),
        failed=failed,
        method=_method(evidence, say),
        figures={name: Markup(figures.svg(figure)) for name, figure in drawn.items()},
        run_id=evidence.study.run_id,
    )


def _method(evidence: Evidence, say: Wording) -> str:
    if not evidence.comparisons:
        return ""
    source = "method.shared" if evidence.overlap is None else "method.drawn"
    return say("method", images=say(source), count=len(evidence.comparisons), unit=say.unit)


Cell = tuple[str, str]  # what is shown, and in small below it


def _dynamics_table(evidence: Evidence, say: Wording) -> tuple[list[str], list[list[Cell]]]:
    """How each arm trained, with paired differences from the baseline."""
    headings = [say("arm")] + [
        say(f"dynamics.{key}") for key in ("reached", "speed", "seconds", "roughness", "loss")
    ]
    headings.append(say("gap"))
    rows = []
    for arm in evidence.arms:
        reached = int(np.isfinite(arm.of_dynamics("epochs_to_target")).sum())
        row = [(arm.name, ""), (f"{reached} / {len(arm.runs)}", "")]
        for name, form in (
            ("epochs_to_target", "{:.1f}"),
            ("seconds_to_target", "{:.1f}"),
            ("roughness", "{:.3f}"),
            ("last_loss", "{:.2f}"),
        ):
            values = arm.of_dynamics(name)
            values = values[np.isfinite(values)]
            detail = ""
            if name in arm.differences and arm.differences[name].pairs:
                detail = _short(arm.differences[name], form.replace(":", ":+"))
            row.append((form.format(values.mean()) if len(values) else NONE, detail))
        gap = 100 * arm.per_run("final/gap_accuracy")
        gap = gap[np.isfinite(gap)]
        paired = arm.differences.get("gap")
        detail = _short(paired, "{:+.1f}", 100) if paired is not None and paired.pairs else ""
        row.append((f"{gap.mean():.1f}" if len(gap) else NONE, detail))
        rows.append(row)
    return headings, rows


def _short(c: Comparison, form: str, scale: float = 1) -> str:
    """A paired difference with its interval, a star where that leaves out 0."""
    text = form.format(scale * c.difference)
    # Two seeds that agree on a whole number of epochs would leave no doubt
    if c.pairs >= VERDICT_FROM and c.spread > 0:
        text += f" [{form.format(scale * c.low)}, {form.format(scale * c.high)}]"
        text += " *" if c.low > 0 or c.high < 0 else ""
    return text.replace("-", "−")


def _signals_table(evidence: Evidence) -> list[tuple[str, str, list[str]]]:
    """Measured over promised mean squares, by arm, kind and layer."""
    return [
        (arm.name, kind, [f"{m / p:.2f}" if p else NONE for m, p in zip(*values, strict=True)])
        for arm in evidence.arms
        if "init" in arm.changes
        for kind, values in figures.signals(arm).items()
    ]


def comparison_csv(evidence: Evidence) -> str:
    """Every comparison with all its numbers: arms, then the effects of factorials."""
    fields = (
        [field.name for field in dataclasses.fields(evidence.comparisons[0])]
        if (evidence.comparisons)
        else []
    )
    made: list[tuple[object, ...]] = [("kind", "metric", "against", *fields)]
    rows = [("arm", evidence.baseline.name, c) for c in evidence.comparisons]
    for factorial in evidence.factorials:
        kinds = ("main effect", "main effect", "interaction")
        rows += [(kind, "", c) for kind, c in zip(kinds, factorial.effects, strict=True)]
    made += [(kind, evidence.metric, against, *dataclasses.astuple(c)) for kind, against, c in rows]
    return csv_text(made)


def scores_csv(evidence: Evidence) -> str:
    """Every run with its final scores, empty where it has none."""
    every = {name for arm in evidence.arms for run in arm.finished for name in run.metrics}
    names = sorted(name for name in every if name.startswith(("final/", "facts/")))
    made: list[tuple[object, ...]] = [("arm", "seed", "fold", "status", "run_id", *names)]
    for arm in evidence.arms:
        for run in arm.runs:
            scores = [run.metrics.get(name, "") for name in names]
            made.append((run.arm, run.seed, run.fold, run.status, run.run_id, *scores))
    return csv_text(made)
