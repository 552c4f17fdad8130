"""A study's report: for a terminal, as the description of its run, as a page, and as tables.

Everything comes from what was recorded, so that a report can be made again at any time, in another
language or by another score.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping

import pandas as pd

from mlp.data.index import Index
from mlp.data.thumbnail import thumbnail
from mlp.escaping import markdown as _escape
from mlp.evidence.findings import Evidence, InitialWeights, weigh
from mlp.report.drawing import style
from mlp.report.page import DESCRIPTION, markdown, page, pictures, terminal
from mlp.report.sections import SECTIONS, pair
from mlp.report.sections.verdict import question, setting
from mlp.report.wording import Wording
from mlp.settings.study import ReportConfig
from mlp.study.record import RecordedStudy
from mlp.study.tracker import Studies

THUMBNAILS = "thumbnails.parquet"  # of the images that a page shows
_SIDE = 72  # pixels of one


@dataclasses.dataclass(frozen=True)
class Report:
    """The parts of a report: `files` are artifacts by their path, `pictures` those for eyes.

    `inline`: its first screen, to the first picture, as a part of a notebook.
    """

    evidence: Evidence
    terminal: str
    inline: str
    description: str
    files: Mapping[str, bytes]
    pictures: Mapping[str, bytes]
    metrics: Mapping[str, float]
    failure: str  # why there is nothing to report; empty where there is


def publish(
    studies: Studies, study: RecordedStudy, config: ReportConfig, index: Index | None = None
) -> Report:
    """Report on a study, and record that; `index`: of its images, where they are at hand."""
    report = make(studies, study, config, index)
    studies.report(study, config.metric, report.description, report.files, report.metrics)
    return report


def make(
    studies: Studies, study: RecordedStudy, config: ReportConfig, index: Index | None = None
) -> Report:
    """The report of a recorded study; without its images, with the thumbnails that are recorded."""
    thumbnails: Mapping[str, bytes] = {}
    if index is not None:
        thumbnails = {name: thumbnail(index, name, _SIDE) for name in pair.disputed(study)}
    elif kept := studies.file(study, THUMBNAILS):
        thumbnails = _unpacked(kept)
    return build(study, config, _initial_weights(studies, study), thumbnails)


def _packed(thumbnails: Mapping[str, bytes]) -> bytes:
    table = pd.DataFrame({"id": list(thumbnails), "jpeg": list(thumbnails.values())})
    packed: bytes = table.to_parquet(index=False)
    return packed


def _unpacked(content: bytes) -> Mapping[str, bytes]:
    table = pd.read_parquet(io.BytesIO(content))
    return dict(zip(table["id"], table["jpeg"], strict=True))


def _initial_weights(studies: Studies, study: RecordedStudy) -> InitialWeights:
    """Of one run of each arm that is about the initialization."""
    found = {}
    for arm in study.arms:
        finished = [run for run in study.of(arm.name).values() if run.finished]
        if "init" in arm.changes and finished:
            found[arm.name] = studies.initial_weights(finished[0])
    return found


def build(
    study: RecordedStudy,
    config: ReportConfig,
    weights: InitialWeights,
    thumbnails: Mapping[str, bytes] | None = None,
) -> Report:
    """The report of a recorded study."""
    evidence = dataclasses.replace(
        weigh(study, config.metric, config.margin / 100),
        weights=weights,
        thumbnails=thumbnails or {},
    )
    folds = any(fold != "none" for _, fold in study.pairs)
    say = Wording(config.lang, config.metric, folds)
    with style(study.classes):
        sections = [made for each in SECTIONS if (made := each(evidence, say)).blocks or made.files]
        shown = [each for each in sections if each.blocks]
        drawn = {f"{each.name}": each.png for each in pictures(sections)}
        title, about = question(evidence, say), setting(evidence, say)
        about_page = {"study": study.run_id, "address": study.address, **config.as_text()}
        html = page(say.lang, title, about, shown, about_page)
        pictured = (k for k, each in enumerate(shown, 1) if pictures([each]))
        inline = page(say.lang, title, about, shown[: next(pictured, None)], whole=False)
    heading = f"## {_escape(title)}\n\n"
    # MLflow shows three lines of a description until it is opened: the verdict, then its table
    verdict, *others = sections
    described = [verdict, *sorted(others, key=lambda each: each.heading != say("heading.table"))]
    whole = heading + markdown(described)
    files = {
        "report.html": html,
        "report.md": whole,
        **{name: text for section in sections for name, text in section.files.items()},
    }
    kept = {THUMBNAILS: _packed(thumbnails)} if thumbnails else {}
    return Report(
        evidence,
        # The verdict last, where the eye is when a command has ended
        "\n\n".join([f"{title}\n{about}", terminal([*others, verdict])]),
        inline,
        whole if len(whole) <= DESCRIPTION else heading + markdown(described, links=False),
        {name: text.encode() for name, text in files.items()}
        | kept
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
