"""A page of a report against the record that it was made from: every difference, and its place."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from mlp.errors import PageDiffers, SettingsError
from mlp.escaping import brief
from mlp.metrics import final_scores
from mlp.report.report import make
from mlp.settings.study import ReportConfig
from mlp.study.record import RecordedStudy
from mlp.study.tracker import Studies

Part = tuple[str, str]  # a place on a page, and what stands there
_HEADINGS = ("h1", "h2", "h3", "summary", "dt")
_WHOLE = ("svg", "script", "style")  # tags of which only the digest is compared
_ROUNDING = 1e-9
_MOST_SHOWN = 50


def verify(studies: Studies, file: str) -> str:
    """Compute all of a page again from the recorded predictions and histories; say how much agrees.

    Raises PageDiffers with a line for each difference; SettingsError for what is no such page.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"verify: cannot read {file}: {error}") from None
    given = _Page(text)
    origin = given.origin
    if not origin:
        raise SettingsError(
            f"verify: {file} does not say which study it reports on; give a report.html of this "
            "project (`report` writes one again for a recorded study)"
        )
    address, run_id = origin.pop("address"), origin.pop("study")
    study = dataclasses.replace(studies.read(studies.find(run_id)), address=address)
    remade = make(studies, study, ReportConfig.parse(origin)).files["report.html"].decode()
    found = [*_unsound(study), *differences(text, remade)]
    if found:
        shown = found[:_MOST_SHOWN] + ["..."] * (len(found) > _MOST_SHOWN)
        listed = "".join(f"\n  {each}" for each in shown)
        raise PageDiffers(
            f"{file} differs from the record of {run_id} in {len(found)} places:{listed}"
        )
    numbers = sum(any(map(str.isdigit, said)) for _, said in given.parts)
    return f"{file}: all {numbers} places with numbers are as the record of {run_id} gives them"


def _unsound(study: RecordedStudy) -> Iterator[str]:
    """The recorded scores that the recorded predictions do not give."""
    for run in study.runs:
        if run.evaluation is None:
            continue
        scores = {f"final/{name}": value for name, value in final_scores(run.evaluation).items()}
        if "final/train_accuracy" in run.metrics:
            scores["final/gap_accuracy"] = (
                run.metrics["final/train_accuracy"] - scores["final/accuracy"]
            )
        for name, value in scores.items():
            if abs(run.metrics.get(name, value) - value) > _ROUNDING:
                said = f"{name} is recorded as {run.metrics[name]}"
                yield f"run {run.run_id}: {said}, its predictions give {value}"


def differences(page: str, remade: str) -> Iterator[str]:
    """A line for each part of a page that differs from that of the page as it should be."""
    found, expected = _Page(page).parts, _Page(remade).parts
    if len(found) == len(expected):
        ranges = [(k, k + 1, k, k + 1) for k in range(len(found)) if found[k] != expected[k]]
    else:
        here, there = ([text for _, text in parts] for parts in (found, expected))
        matched = difflib.SequenceMatcher(None, here, there).get_opcodes()
        ranges = [(a, b, c, d) for kind, a, b, c, d in matched if kind != "equal"]
    for first, last, start, end in ranges:
        parts, right = found[first:last], expected[start:end]
        said, given = (brief(" ".join(text for _, text in each)) for each in (parts, right))
        yield f"{(parts or right)[0][0]}: {said}, but the record gives {given}"


class _Page(HTMLParser):
    """A page in parts: its texts, tags, values of its data, and digests of pictures and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self.origin: dict[str, str] = {}
        self._heading = self._row = self._tag = ""
        self._open: list[str] = []  # the tags of the picture or script that is open
        self._inside: list[str] = []  # all that it holds
        self._data = False
        self.feed(text.replace("\r\n", "\n"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("name") == "mlp-report":
            self.origin = json.loads(given["content"])
        if tag in _WHOLE or self._open:
            self._open.append(tag)
            self._data = given.get("type") == "application/json"
        self._tag, self._row = tag, "" if tag == "tr" else self._row
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add(" ".join([f"<{tag}>", *(f"{name}={value}" for name, value in attrs)]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._open:
            return
        while self._open.pop() != tag:
            pass
        if not self._open:
            digest = hashlib.sha256("\n".join(self._inside).encode()).hexdigest()
            self._inside = []
            self._add(f"<{tag}> of digest {digest[:16]}")

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if self._data and self._open:
            self.parts += _leaves(json.loads(data), "data of the page")
        elif text:
            if self._tag in _HEADINGS:
                self._heading, self._row = text, ""
            elif self._tag == "td":
                self._row = self._row or text
            self._add(text)

    def _add(self, text: str) -> None:
        if self._open:
            self._inside.append(text)
        else:
            self.parts.append((", ".join(filter(None, (self._heading, self._row))), text))


def _leaves(value: object, place: str) -> Iterator[Part]:
    """The values of the data that scripts read, each with its place."""
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in inside:
            yield from _leaves(inner, f"{place}, {name}")
    else:
        yield place, json.dumps(value)
