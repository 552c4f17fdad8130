"""The sections of a report: each section makes its text, its table and its figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlp.evidence.findings import Evidence
from mlp.report.blocks import Section
from mlp.report.sections import (
    answers,
    arms,
    confusion,
    curves,
    differences,
    initialization,
    interaction,
    pair,
    repeat,
    runs,
    training,
    verdict,
)
from mlp.report.wording import Wording

# In the order of the page; a section without blocks is left out
SECTIONS: Sequence[Callable[[Evidence, Wording], Section]] = (
    verdict.section,
    runs.remarks,
    arms.section,
    differences.section,
    curves.curves,
    training.section,
    curves.gap,
    interaction.section,
    confusion.section,
    pair.section,
    initialization.signals,
    initialization.weights,
    answers.section,
    runs.failures,
    runs.method,
    repeat.section,
    runs.runs,
)
