"""A study's report: for a terminal, as the description of its run, as a page, and as tables.

Everything comes from what was recorded, so that a report can be made again at any time, in another
language or by another score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from mlp.escaping import markdown as _escape
from mlp.evidence.findings import Evidence, InitialWeights, weigh
from mlp.report.drawing import style
from mlp.report.page import markdown, page, pictures, terminal
from mlp.report.sections import SECTIONS
from mlp.report.sections.verdict import question, setting
from mlp.report.wording import Wording
from mlp.settings.study import ReportConfig
from mlp.study.record import RecordedStudy
from mlp.study.tracker import Studies

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


def _initial_weights(studies: Studies, study: RecordedStudy) -> InitialWeights:
    """Of one run of each arm that is about the initialization."""
    found = {}
    for arm in study.arms:
        finished = [run for run in study.of(arm.name).values() if run.finished]
        if "init" in arm.changes and finished:
            found[arm.name] = studies.initial_weights(finished[0])
    return found


def build(study: RecordedStudy, config: ReportConfig, weights: InitialWeights) -> Report:
    """The report of a recorded study."""
    evidence = dataclasses.replace(
        weigh(study, config.metric, config.margin / 100), weights=weights
    )
    folds = any(fold != "none" for _, fold in study.pairs)
    say = Wording(config.lang, config.metric, folds)
    with style(study.classes):
        sections = [made for each in SECTIONS if (made := each(evidence, say)).blocks or made.files]
        drawn = {f"{each.name}": each.png for each in pictures(sections)}
        title, about = question(evidence, say), setting(evidence, say)
        html = page(say.lang, title, about, [each for each in sections if each.blocks])
    heading = f"## {_escape(title)}\n\n"
    whole = heading + markdown(sections)
    files = {
        "report.html": html,
        "report.md": whole,
        **{name: text for section in sections for name, text in section.files.items()},
    }
    # The verdict last, where the eye is when a command has ended
    verdict, *others = sections
    return Report(
        "\n\n".join([f"{title}\n{about}", terminal([*others, verdict])]),
        whole if len(whole) <= _DESCRIPTION else heading + markdown(sections, links=False),
        {name: text.encode() for name, text in files.items()}
        | {f"figures/{name}.png": content for name, content in drawn.items()},
        drawn,
        numbers(evidence),
        study.failure,
    )


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
