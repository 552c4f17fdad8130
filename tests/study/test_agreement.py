"""Interval and verdict agree wherever they are shown, whatever the evidence."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mlp.evidence.comparison import Comparison, compare
from mlp.evidence.findings import Evidence, weigh
from mlp.languages import LANGUAGES
from mlp.metrics import COMPARED, METRICS
from mlp.report.blocks import Picture
from mlp.report.drawing import VERDICTS
from mlp.report.page import markdown, page, terminal
from mlp.report.sections import arms, differences, verdict
from mlp.report.wording import NONE, Wording
from tests.study.conftest import MakeRecorded

ARMS = ("dropout", "norm", "decay", "flips")
MADE = weigh(MakeRecorded(images=30)({name: [0.5] * 3 for name in ("plain", *ARMS)}), "accuracy")


def random_evidence(
    number: int, metric: str, margin: float, overlap: float | None, seeds: int, digits: int
) -> Evidence:
    """Arms whose differences are of the size 10^-digits, some of them near 0 or the margin."""
    rng = np.random.default_rng(number)
    scale = 10.0**-digits
    contrasts = {}
    for name in ARMS:
        middle = rng.choice([0.0, margin, scale]) * rng.choice([-1, 1])
        d = rng.normal(middle, scale * rng.random(), seeds)
        d[rng.random(seeds) < 0.1] = np.nan
        contrasts[name] = d, d[:, None] + rng.normal(0, scale * rng.random(), (seeds, 50))
    higher = METRICS[metric].higher_is_better
    found = compare(contrasts, images=100, overlap=overlap, margin=margin, higher_is_better=higher)
    compared = (
        dataclasses.replace(arm, comparison=c, scores=np.array([0.5 + c.difference]))
        for arm, c in zip(MADE.arms[1:], found, strict=True)
    )
    return Evidence(MADE.study, metric, margin, (MADE.baseline, *compared), (), overlap, None)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(COMPARED)),
    st.sampled_from([0.0, 0.001, 0.01, 0.025]),
    st.sampled_from([None, 0.25]),
    st.integers(0, 12),
    st.integers(1, 5),
    st.sampled_from(sorted(LANGUAGES)),
)
def test_interval_and_verdict_agree_on_every_page(
    number: int,
    metric: str,
    margin: float,
    overlap: float | None,
    seeds: int,
    digits: int,
    lang: str,
) -> None:
    evidence = random_evidence(number, metric, margin, overlap, seeds, digits)
    say = Wording(lang, metric)
    tables(evidence, say)
    headline(evidence, say)
    data(evidence, say)
    drawn(evidence, say)


def told(interval: str, evidence: Evidence, say: Wording) -> str:
    """The verdict of an interval as it is shown, read by the rule."""
    if interval == NONE:
        return "undecided"
    low, high = (float(end.replace("−", "-")) for end in interval.split(f" {say('to')} "))
    margin = say.scale * evidence.margin
    within = -margin < low <= high < margin
    if low <= 0 <= high:
        return "equal" if within else "undecided"
    way = "better" if (low > 0) == METRICS[evidence.metric].higher_is_better else "worse"
    return f"slightly {way}" if within else way


def tables(evidence: Evidence, say: Wording) -> None:
    """Those of the terminal, of the description and of the page have the same cells."""
    sections = [verdict.section(evidence, say), arms.section(evidence, say)]
    described, html = markdown(sections), page(say.lang, "", "", sections)
    _, rule, *rows = terminal(sections[1:]).splitlines()
    assert set(rule) == {"-"}
    margin = say.margin(evidence.margin)
    for c, row in zip(evidence.comparisons, rows[1:], strict=True):
        name, _, _, _, interval, word, *_ = re.split(r"\s{2,}", row)
        assert name == c.name and told(interval, evidence, say) == c.verdict
        assert word == say(f"verdicts.{c.verdict}", margin=margin)
        cells = rf"^\| {name} \|.* \| {re.escape(interval)} \| {word} \|"
        assert re.search(cells, described, re.MULTILINE)
        styled = f'class="{c.verdict.replace(" ", "-")}">{word}</td>'
        assert re.search(rf">{name}</td>.*>{re.escape(interval)}</td>.*{styled}", html)
    equal = say("verdicts.equal", margin=margin)
    assert evidence.margin or not any(equal in text for text in (*rows, described, html))


def headline(evidence: Evidence, say: Wording) -> None:
    """Each arm stands in one line of the first screen, which begins as its verdict does."""
    lines = verdict.headline(evidence, say)
    margin, empty = say.margin(evidence.margin), dict.fromkeys(("difference", "metric", "n"), "")
    for c in evidence.comparisons:
        (line,) = [each for each in lines if re.search(rf"\b{c.name}\b", each)]
        begin, begins = line.split(":")[0], {}
        for key in VERDICTS.keys() - {"undecided"}:
            values = {"arm": c.name, "arms": c.name, "baseline": "plain", "interval": "", **empty}
            begins[say(f"found.{key}", margin=margin, **values).split(":")[0]] = key
        assert begins.get(begin, "undecided") == c.verdict
        assert not c.shown or f"{say.interval(c)}, n = {c.pairs})" in line


def data(evidence: Evidence, say: Wording) -> None:
    """The files for programs hold the numbers from which the verdict follows."""
    files = differences.section(evidence, say).files
    rows = csv.DictReader(io.StringIO(files["comparison.csv"]))
    numbers = json.loads(files["comparison.json"])["arms"]
    for c, row, made in zip(evidence.comparisons, rows, numbers, strict=True):
        assert row["verdict"] == made["verdict"] == c.verdict
        for name in ("low", "high", "difference", "p_better"):
            value = np.nan if made[name] is None else made[name]
            assert [value, float(row[name])] == pytest.approx([getattr(c, name)] * 2, nan_ok=True)


def drawn(evidence: Evidence, say: Wording) -> None:
    """In the figure a line has the ends of its interval and the colour of its verdict."""
    (picture,) = differences.section(evidence, say).blocks or [None]
    shown = [c for c in evidence.comparisons if c.pairs]
    assert (picture is None) == (not shown)
    if not isinstance(picture, Picture):
        return
    assert isinstance(picture.content, Figure)
    axes, dots, intervals = picture.content.axes[0], {}, {}
    for line in axes.lines:
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        if line.get_marker() == "o":
            dots[y[0]] = line
        elif len(x) == 2 and y[0] == y[1]:
            intervals[y[0]] = x, line
    for row, c in enumerate(shown):
        assert to_hex(dots[row].get_color()) == VERDICTS[c.verdict]
        assert (row in intervals) == np.isfinite(c.low)
        if row in intervals:
            ends, line = intervals[row]
            assert to_hex(line.get_color()) == VERDICTS[c.verdict]
            assert ends == pytest.approx(np.array([say.scale * c.low, say.scale * c.high]))
    assert len(set(VERDICTS.values())) == len(VERDICTS)
    legend = {text.get_text() for text in picture.content.legends[0].get_texts()}
    margin = {f"±{say.margin(evidence.margin)}"} if evidence.margin else set()
    assert legend == {say.verdict(c) for c in shown} | margin


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([None, 0.25]),
    st.sampled_from([0.0, 0.01, 0.03]),
)
def test_a_verdict_stays_when_seeds_are_added(
    number: int, overlap: float | None, margin: float
) -> None:
    rng = np.random.default_rng(number)
    d = {name: rng.normal(0.02 * rng.normal(), 0.02 * rng.random(), 15) for name in ARMS}
    resampled = {n: x[:, None] + rng.normal(0, 0.005, (1, 80)) for n, x in d.items()}
    before: dict[str, Comparison] = {}
    for count in range(3, 16):
        contrasts = {n: (x[:count], resampled[n][:count]) for n, x in d.items()}
        for c in compare(contrasts, images=500, overlap=overlap, margin=margin):
            old = before.get(c.name, c)
            assert old.low <= c.low <= c.high <= old.high
            # A better arm stays better, if by less than the margin; an equal one stays within it
            assert not old.shown or (c.shown and old.improves == c.improves)
            within = ("equal", "slightly better", "slightly worse")
            assert old.verdict not in within or c.verdict in within
            before[c.name] = c
