"""The verdict for runs that exist: for a terminal, as a page, as data, and as a run of MLflow."""

from __future__ import annotations

import json
import math
from functools import cached_property

import numpy as np
import pandas as pd

from mlp.escaping import csv_text
from mlp.escaping import markdown as _escape
from mlp.evidence.comparison import Comparison
from mlp.evidence.document import COLUMNS, FIELDS, compared, document, numbers, row, table
from mlp.evidence.scores import Judged
from mlp.report.blocks import Grid, Picture, Section, Text
from mlp.report.drawing import style
from mlp.report.logged_wording import LoggedWording, Subject, decimals
from mlp.report.page import DESCRIPTION, markdown, page, terminal
from mlp.report.sections.differences import forest
from mlp.report.sections.verdict import findings


class Judgement:
    """Arms against their baseline, and what to know before believing it.

    `lang` is the language of the text and the page.
    """

    def __init__(self, found: Judged, subject: Subject, lang: str = "en") -> None:
        self.found, self.subject = found, subject
        measure = found.rule.measure
        every = np.concatenate(list(found.scores.values()))
        self._say = LoggedWording(
            lang,
            subject.metric,
            row=measure,
            own=subject.own,
            paired=found.paired,
            decimals=1 if measure.unit == "percent" else decimals(every),
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """Each arm: runs, mean score, its difference from the baseline and the verdict."""
        found = self.found
        comparisons = {c.name: c for c in found.comparisons}
        return table(
            (name, len(own), found.means[name], comparisons.get(name))
            for name, own in found.scores.items()
        )

    @cached_property
    def datasets(self) -> pd.DataFrame:
        """The same of each data set, where there are several: index dataset and arm."""
        rows = {
            (dataset, c.name): (c.pairs, *row(c))
            for dataset, comparisons in self.found.datasets.items()
            for c in comparisons
        }
        columns = ["n", *COLUMNS]
        index = pd.MultiIndex.from_tuples(list(rows), names=["dataset", "arm"]) if rows else None
        return pd.DataFrame(list(rows.values()), index=index, columns=columns)

    @property
    def notes(self) -> list[str]:
        """Reasons for caution: runs left out, things taken for granted, the reach of a verdict."""
        say = self._say
        return [say.said(say(f"judge.{note.kind}", **note.values)) for note in self.found.notes]

    @property
    def document(self) -> dict[str, object]:
        """All numbers, for programs: docs/judge.md describes them."""
        found, measure = self.found, self.found.rule.measure
        contents = compared(
            found.comparisons,
            found.means,
            baseline=found.baseline,
            metric=self.subject.metric,
            higher_is_better=measure.higher_is_better,
            margin=found.rule.margin,
        )
        contents |= {
            "source": self.subject.source,
            "paired": found.paired,
            "runs": {name: len(own) for name, own in found.scores.items()},
            "datasets": {n: [numbers(c) for c in each] for n, each in found.datasets.items()},
            "images": found.images,
            "notes": [{"kind": note.kind, **note.values} for note in found.notes],
        }
        return document("judgement", contents)

    @property
    def title(self) -> str:
        """One line: which metric, by what."""
        return self._say("judge.title", metric=self._say.metric_name, arm=self.subject.arm)

    @property
    def worse(self) -> list[str]:
        """The arms that were shown to be worse than the baseline, and not just by less."""
        return [c.name for c in self.found.comparisons if c.verdict == "worse"]

    @property
    def text(self) -> str:
        """The whole for a terminal: tables, notes, and the verdict last."""
        sections = self._sections
        shown = terminal([*sections[1:], sections[0]])
        return f"{self.title}\n{self._setting}\n\n{shown}"

    @property
    def description(self) -> str:
        """The whole in Markdown; without its tables where MLflow would not show it."""
        head = f"## {_escape(self.title)}\n\n{_escape(self._setting)}"
        sections = self._sections
        whole = f"{head}\n\n{markdown(sections)}\n"
        return whole if len(whole) <= DESCRIPTION else f"{head}\n\n{markdown(sections[:1])}\n"

    @property
    def page(self) -> str:
        """The whole as an HTML page."""
        return page(self._say.lang, self.title, self._setting, self._sections)

    @property
    def files(self) -> dict[str, bytes]:
        """The page and the numbers behind it, by the name of a file."""
        texts = {
            "judge.html": self.page,
            "judge.md": self.description,
            "comparison.csv": self._csv,
            "comparison.json": json.dumps(self.document, indent=2, allow_nan=False) + "\n",
        }
        return {name: text.encode() for name, text in texts.items()}

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return page(self._say.lang, self.title, self._setting, self._sections, whole=False)

    @property
    def _setting(self) -> str:
        say, found = self._say, self.found
        count = len(found.scores)
        several = say("judge.sub.datasets", count=len(found.datasets)) if found.datasets else ""
        return say(
            "judge.sub",
            source=self.subject.source,
            arms=say("arms" if count > 1 else "one.arms", n=count),
            n=found.pairs,
            unit=say.unit,
            by=f" ({self.subject.pair})" if found.paired and not self.subject.own else "",
            datasets=several,
        )

    @property
    def _verdict(self) -> list[str]:
        found = self.found
        if not found.comparisons:
            return []
        each = bool(found.rule.overlap)
        return findings(
            found.comparisons, found.baseline, found.rule.margin, self._say, found.images, each
        )

    @cached_property
    def _sections(self) -> list[Section]:
        """The verdict first, where a page begins."""
        say, found, everywhere = self._say, self.found, ("terminal", "markdown", "page")
        said, notes, title = self._verdict, self.notes, say("heading.data")
        listed = [Text(notes, "list", ("terminal", "markdown"))]
        sections = [
            Section("", [Text(said, "verdict", everywhere, len(said))] if said else []),
            Section("", [Text(notes, "remarks", title=title)] if notes else []),
            Section(say("heading.table"), [self._grid]),
            Section(say("judge.of_each"), [self._of_each] if found.datasets else []),
            Section("", listed if notes else []),
        ]
        with style():
            drawn = forest(found.comparisons, found.differences, found.rule.margin, say)
        if drawn:
            heading = say("heading.forest", baseline=found.baseline)
            picture = Picture("differences", drawn, narrow=True)
            sections.append(Section(heading, [picture]))
            sections.append(Section(say("heading.method"), [Text([self._method], "soft")]))
        return [section for section in sections if section.blocks]

    @property
    def _grid(self) -> Grid:
        """A row an arm."""
        say, found = self._say, self.found
        comparisons = {c.name: c for c in found.comparisons}
        rows = []
        for name, own in found.scores.items():
            spread = float(own.std(ddof=1)) if len(own) > 1 else math.nan
            c = comparisons.get(name)
            said = self._said(c) if c else ["", "", say("baseline"), ""]
            rows.append([name, str(len(own)), say.spread(found.means[name], spread), *said])
        headings = [say("arm"), "n", say.validation, *self._headings]
        marked = {say.verdict(c): c.verdict for c in found.comparisons}
        return Grid(headings, rows, marked=marked)

    @property
    def _of_each(self) -> Grid:
        """A row for each arm on each data set."""
        say, every = self._say, self.found.datasets
        rows = [
            [dataset, c.name, str(c.pairs), *self._said(c)]
            for dataset, comparisons in every.items()
            for c in comparisons
        ]
        marked = {say.verdict(c): c.verdict for each in every.values() for c in each}
        return Grid(
            [say("judge.dataset"), say("arm"), "n", *self._headings], rows, 2, marked=marked
        )

    @property
    def _headings(self) -> list[str]:
        say = self._say
        difference = say("difference", baseline=self.found.baseline)
        return [difference, say("interval"), say("verdict"), say("p_better")]

    def _said(self, c: Comparison) -> list[str]:
        say = self._say
        return [say.number(c.difference), say.interval(c), say.verdict(c), say.chance(c)]

    @property
    def _method(self) -> str:
        say, found = self._say, self.found
        how = "paired" if found.paired else "unpaired"
        images = ""
        if found.images:
            images = say("judge.method.images")
        elif found.rule.overlap:
            images = say("judge.method.overlap")
        shown = say(f"judge.method.{how}", pair=self.subject.pair)
        return say("judge.method", how=shown, images=images)

    @property
    def _csv(self) -> str:
        """Every comparison with all its numbers; those over all data sets first."""
        rows = [("", c) for c in self.found.comparisons]
        rows += [(dataset, c) for dataset, each in self.found.datasets.items() for c in each]
        against = self.subject.metric, self.found.baseline
        return csv_text(
            [
                ("dataset", "metric", "against", *FIELDS),
                *((dataset, *against, *numbers(c).values()) for dataset, c in rows),
            ]
        )
