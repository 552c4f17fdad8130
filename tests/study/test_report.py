"""Reports of made-up studies: what they say first, what they say of trouble, in both languages."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import re
import string
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mlp.data.audit.findings import KINDS, REASONS
from mlp.data.audit.remarks import TEXTS, Remark
from mlp.data.sources.walk import TEXTS as NOTES
from mlp.errors import PageDiffers
from mlp.evidence.findings import weigh
from mlp.languages import LANGUAGES
from mlp.metrics import COMPARED, METRICS
from mlp.report import report as reports
from mlp.report.report import Report, build
from mlp.report.sections.pair import disputed
from mlp.report.verification import differences, verify
from mlp.settings.study import ReportConfig
from mlp.study.arm import Arm
from mlp.study.record import RecordedRun, RecordedStudy
from mlp.study.suite import find_suite, suite_names
from mlp.tracking.memory import MemoryStudies
from mlp.tracking.mlflow.pages import run_page
from tests.study.conftest import MakeRecorded

REGULARIZATION = {arm.name: arm.changes for arm in find_suite("regularization").arms}
INITIALIZATION = {arm.name: arm.changes for arm in find_suite("initialization").arms}


class Page(HTMLParser):
    """Checks that tags close as they opened, and keeps the text."""

    VOID = frozenset({"meta", "br", "path", "use", "image", "rect", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title", "script"):
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def make(study: RecordedStudy, **options: str) -> Report:
    edges = np.linspace(-1, 1, 5)
    weights = {"he": {"1": (edges, np.ones(4)), "3": (edges, np.ones(4))}}
    shown = weights if study.suite == "initialization" else {}
    return build(study, ReportConfig.parse(options), shown)


def twins(study: RecordedStudy) -> RecordedStudy:
    """The study with an arm more, which is its baseline by another name."""
    first = study.arms[0].name
    more = [dataclasses.replace(run, arm="twin") for run in study.of(first).values()]
    return dataclasses.replace(
        study, arms=[*study.arms, Arm("twin", {}, "")], runs=[*study.runs, *more]
    )


def page(made: Report) -> str:
    return Page(made.files["report.html"].decode()).text


@pytest.fixture(scope="module")
def clear() -> RecordedStudy:
    """One arm helps, one hurts, one is the same, all beyond doubt."""
    values = {
        "baseline": [0.60, 0.61, 0.60, 0.59, 0.60],
        "batch-norm": [0.80, 0.81, 0.80, 0.79, 0.80],
        "dropout": [0.40, 0.41, 0.40, 0.39, 0.40],
        "batch-norm-dropout": [0.60, 0.61, 0.60, 0.59, 0.60],
    }
    return MakeRecorded()(values, REGULARIZATION, "regularization")


@pytest.fixture(scope="module")
def made(clear: RecordedStudy) -> Report:
    return make(clear)


@pytest.fixture(scope="module")
def spanish(clear: RecordedStudy) -> Report:
    return make(clear, lang="es")


def test_the_verdict_comes_first_and_says_how_sure_it_is(made: Report) -> None:
    _, _, *lines = made.description.splitlines()
    assert lines[0].startswith("**batch-norm helps:")
    table = next(k for k, line in enumerate(lines) if line.startswith("| arm | n |"))
    assert table < next(k for k, line in enumerate(lines) if line.startswith(">"))
    for text in (made.description, page(made)):
        helps, hurts = text.index("batch-norm helps: +20.0 points"), text.index("dropout hurts:")
        assert helps < hurts
        assert "95% interval" in text and "n = 5" in text
        assert "Use batch-norm: 80.0%, and shown to be better than baseline" in text
    assert hurts < page(made).index("gap (train")
    sure = "the intervals hold for all 3 arms together, and however often one looks"
    assert sure in made.description and sure in page(made)
    assert made.terminal.splitlines()[0] == "Which?"
    assert "batch-norm          5" in made.terminal.replace("  \n", "\n")


def test_classes_of_any_name_are_drawn() -> None:
    """Warnings are errors here: of letters that a font lacks, nothing is said either."""
    classes = ("new\nline", r"$\frac$ \$x_$", "_😀 \u202e")
    made = make(MakeRecorded(classes=classes)({"baseline": [0.5, 0.6], "other": [0.6, 0.7]}))
    assert "figures/confusion.png" in made.files
    text = made.files["report.html"].decode()
    assert "new\nline" not in text and "\u202e" not in text


def test_every_run_is_linked_and_everything_foreign_is_escaped(
    clear: RecordedStudy, made: Report
) -> None:
    for run in clear.runs:
        assert f"({run_page(clear.experiment_id, run.run_id)})" in made.description
        assert run.run_id in page(made)
    assert "take &lt;care&gt;" in made.description
    assert "take &lt;care&gt;" in made.files["report.html"].decode()
    rows = [line for line in made.description.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_the_page_is_one_file(made: Report) -> None:
    text = made.files["report.html"].decode()
    assert all(source.startswith(("#", "data:")) for source in Page(text).sources)


def test_figures_are_files_as_well_and_the_same_every_time(
    clear: RecordedStudy, made: Report
) -> None:
    assert made.files == make(clear).files
    figures = {name for name in made.files if name.startswith("figures/")}
    names = ("differences", "curves", "gap", "confusion", "interaction_0")
    assert figures == {f"figures/{name}.png" for name in names}
    for name in figures:
        assert made.files[name].startswith(b"\x89PNG")


def test_the_csv_holds_every_number(clear: RecordedStudy, made: Report) -> None:
    evidence = weigh(clear, "accuracy")
    rows = list(csv.DictReader(io.StringIO(made.files["comparison.csv"].decode())))
    assert [row["kind"] for row in rows] == ["arm"] * 3 + ["main effect"] * 2 + ["interaction"]
    for row, c in zip(rows, evidence.comparisons, strict=False):
        assert row["name"] == c.name and row["verdict"] == c.verdict
        for field in ("difference", "low", "high", "p_better", "p_better_low", "margin"):
            assert float(row[field]) == pytest.approx(getattr(c, field), nan_ok=True)
    told = json.loads(made.files["comparison.json"])
    assert (told["metric"], told["margin"], told["baseline"]) == ("accuracy", 0.01, "baseline")
    assert told["pairs"] == [{"seed": seed, "fold": "none"} for seed in range(5)]
    assert told["scores"] == pytest.approx({arm.name: arm.mean for arm in evidence.arms})
    effects = [effect.pop("kind") for effect in told["effects"]]
    assert effects == [row["kind"] for row in rows[3:]]
    for row, numbers in zip(rows, told["arms"] + told["effects"], strict=True):
        assert {name: "" if n is None else str(n) for name, n in numbers.items()} == {
            name: row[name] for name in numbers
        }
    scores = list(csv.DictReader(io.StringIO(made.files["scores.csv"].decode())))
    assert len(scores) == len(clear.runs)
    assert float(scores[0]["final/accuracy"]) == pytest.approx(0.6)


def test_the_exercises_questions_on_regularizers_are_answered(
    made: Report, spanish: Report
) -> None:
    told = (("en", made, "together 60.0%, alone"), ("es", spanish, "juntos 60.0%, solos"))
    for lang, report, part in told:
        text = page(report)
        for key in ("stability", "combined", "best", "loss"):
            assert LANGUAGES[lang].phrases[f"asked.{key}"] in text
        assert part in text


def test_the_exercises_questions_on_initialization_are_answered(
    make_recorded: MakeRecorded,
) -> None:
    values = {name: [0.6, 0.61, 0.59] for name in INITIALIZATION} | {"constant": [0.3, None, 0.3]}
    study = make_recorded(values, INITIALIZATION, "initialization")
    signal = {
        f"init/{kind}{part}/{layer}": 1.0 + layer
        for kind in ("signal", "gradient")
        for part in ("", "_promised")
        for layer in (1, 3, 5)
    }
    runs = [dataclasses.replace(r, metrics=dict(r.metrics) | signal) for r in study.runs]
    made = make(dataclasses.replace(study, runs=runs))
    text = page(made)
    for key in ("convergence", "instability", "impact", "bias"):
        assert LANGUAGES["en"].phrases[f"asked.{key}"] in text
    assert "constant: 1 of 3 runs diverged" in text
    assert "constant never" in text
    assert "1.00 · 1.00 · 1.00" in text
    assert {"figures/signals.png", "figures/weights.png"} <= set(made.files)


@pytest.mark.parametrize("metric", COMPARED)
def test_any_metric_can_be_chosen_and_its_direction_is_known(
    clear: RecordedStudy, metric: str
) -> None:
    made = make(clear, metric=metric)
    assert "batch-norm helps: " in made.description and "dropout hurts: " in made.description
    unit = "nats" if metric == "log_loss" else "points"
    assert f" {unit} of " in made.description


def test_one_seed_can_tell_nothing(make_recorded: MakeRecorded) -> None:
    made = make(make_recorded({"baseline": [0.5], "dropout": [0.9]}))
    for text in (made.terminal, made.description, page(made)):
        assert "Undecided: dropout. At least 3 seeds are needed." in text
        assert "with seeds=auto or seeds=3" in text
        assert "helps" not in text
    assert "1 seed cannot tell a difference from luck" in page(made)


def test_one_arm_has_nothing_to_be_compared_with(make_recorded: MakeRecorded) -> None:
    made = make(make_recorded({"model": [0.5, 0.52]}))
    for text in (made.terminal, page(made)):
        assert "model: accuracy 50.8 ± 1.2% on the validation images." in text
        assert "There is nothing to compare it with" in text
    assert "verdict" not in made.terminal and "colors: one arm, 2 seeds" in made.terminal


def test_ties_are_equal_unless_no_difference_is_too_small_to_matter(
    make_recorded: MakeRecorded,
) -> None:
    study = twins(MakeRecorded(images=600)({"baseline": [0.5, 0.6, 0.7]}))
    made = make(study)
    assert "Equal to baseline within 1 point: twin." in made.description
    (c,) = weigh(study, "accuracy").comparisons
    assert -0.01 < c.low < 0 < c.high < 0.01 and "50% (" in made.description
    for margin, said in (("2.5", "within 2.5 points"), ("0.5", "within 0.5 points")):
        assert said in make(study, margin=margin).description
    assert "within 0.01 nats" in make(study, metric="log_loss").description
    assert "igual, a menos de 1 punto" in make(study, lang="es").description
    made = make(study, margin="0")
    assert "Undecided: twin" in made.description
    assert "equal" not in made.description and "Equal" not in made.description


def test_runs_without_a_score_are_listed_with_the_reason(make_recorded: MakeRecorded) -> None:
    study = make_recorded({"baseline": [0.5, 0.6, 0.55], "wild": [0.5, None, None]})
    runs = [
        RecordedRun(r.arm, r.seed, r.fold) if (r.arm, r.seed) == ("wild", 2) else r
        for r in study.runs
    ]
    made = make(dataclasses.replace(study, runs=runs))
    for text in (made.terminal, made.description, page(made)):
        assert "wild, seed 1: failed: the loss became nan" in text
        assert "wild, seed 2: missing: not recorded, or deleted" in text
    assert "2 of 6 planned runs have no score" in page(made)
    assert "wild: 1 of 3 runs diverged" in page(made)


def test_a_metric_that_is_not_a_number_leaves_its_pair_out(make_recorded: MakeRecorded) -> None:
    study = make_recorded({"baseline": [0.5, 0.6, 0.55], "arm": [0.6, 0.7, 0.65]})
    runs = list(study.runs)
    spoilt = runs[3].evaluation
    assert spoilt is not None
    shares = spoilt.probabilities.copy()
    shares[0] = np.nan
    runs[3] = dataclasses.replace(
        runs[3], evaluation=dataclasses.replace(spoilt, probabilities=shares)
    )
    made = make(dataclasses.replace(study, runs=runs), metric="log_loss")
    (row,) = csv.DictReader(io.StringIO(made.files["comparison.csv"].decode()))
    assert row["pairs"] == "2"
    assert "arm" in made.description


def test_nothing_finished_is_said(make_recorded: MakeRecorded) -> None:
    made = make(make_recorded({"baseline": [None, None], "arm": [None, None]}))
    assert "No run has finished" in made.description and "No run has finished" in page(made)
    made = make(make_recorded({"baseline": [None, None], "arm": [0.5, 0.6]}))
    assert "No run of baseline has finished" in made.description


def test_what_is_proven_is_advised_whatever_has_the_luckiest_mean(
    make_recorded: MakeRecorded,
) -> None:
    values = {
        "baseline": [0.60, 0.61, 0.60, 0.59, 0.60, 0.60, 0.61],
        "noisy": [0.99, 0.58, 0.99, 0.61, 0.99, 0.99, 0.58],
        "sure": [0.80, 0.81, 0.80, 0.79, 0.80, 0.80, 0.81],
    }
    text = make(make_recorded(values)).terminal
    assert "sure helps" in text and "Use sure: 80." in text
    assert "noisy is further ahead" in text and "Stay with" not in text


def test_arms_that_never_finished_are_not_short_of_seeds(make_recorded: MakeRecorded) -> None:
    values = {"baseline": [0.6, 0.61] * 3, "dead": [None] * 6, "arm": [0.8, 0.81] * 3}
    text = make(make_recorded(values)).terminal
    assert "No run finished: dead." in text
    assert "ndecided: dead" not in text and "repeat the command" not in text


def test_what_would_decide_is_said_and_more_seeds_go_on_from_those_that_are_recorded(
    make_recorded: MakeRecorded,
) -> None:
    study = MakeRecorded(images=3000)({"baseline": [0.6, 0.61, 0.6], "arm": [0.65, 0.6, 0.63]})
    (c,) = weigh(study, "accuracy", 0.04).comparisons
    assert c.verdict == "undecided" and c.needed is not None and c.needed > 3
    text = make(study, margin="4").terminal
    assert f"Undecided: arm (about {c.needed}). So many seeds" in text
    assert "interval to ±4 points" in text
    assert f"with seeds=auto or seeds={c.needed}:" in text
    # Nobody is sent to train a hundred times
    (needed,) = re.findall(r"\(about (\d+)\)", text := make(study, margin="1").terminal)
    assert int(needed) > 100 and "repeat the command" not in text
    moved = [dataclasses.replace(run, seed=10 * (run.seed + 1)) for run in study.runs]
    other = make(dataclasses.replace(study, runs=moved), margin="4").terminal
    assert "seeds=10,20,30,31," in other and "seeds=auto" not in other
    # Images of each seed's own come no nearer, whatever the number of seeds
    values = {"baseline": [0.6, 0.61, 0.6], "arm": [0.65, 0.6, 0.63]}
    text = make(make_recorded(values, drawn=True)).terminal
    assert "Undecided: arm. More seeds would not settle it: with 120 validation images" in text
    assert "more images would" in text and "repeat the command" not in text


def test_a_failure_that_is_no_divergence_is_not_called_one(make_recorded: MakeRecorded) -> None:
    study = make_recorded({"baseline": [0.6, 0.61, 0.6], "arm": [0.65, None, 0.63]})
    runs = [dataclasses.replace(r, diverged=False, reason="OSError: no space") for r in study.runs]
    text = page(make(dataclasses.replace(study, runs=runs)))
    assert "OSError: no space" in text and "diverged" not in text


def test_early_stopping_is_not_blamed_for_epochs_it_threw_away(
    make_recorded: MakeRecorded,
) -> None:
    study = make_recorded({"baseline": [0.6, 0.61, 0.6], "stopping": [0.65, 0.64, 0.63]})
    curve = np.array([1.0, 0.8, 0.7, 0.9, 1.0, 1.1, 1.2, 1.2, 1.3, 1.3])

    def changed(run: RecordedRun, kept: float) -> RecordedRun:
        metrics = dict(run.metrics) | {"facts/kept_epoch": kept}
        return dataclasses.replace(
            run, history=dict(run.history) | {"val/loss": curve}, metrics=metrics
        )

    runs = [changed(r, 3.0 if r.arm == "stopping" else 10.0) for r in study.runs]
    text = page(make(dataclasses.replace(study, runs=runs)))
    assert "baseline overfits in 3 of 3 runs: from epoch 3" in text
    assert "stopping overfits" not in text


def test_names_that_look_like_formulas_are_drawn(make_recorded: MakeRecorded) -> None:
    odd = MakeRecorded(classes=("$a_$", "_hidden", "c\\^"))
    study = odd({"baseline": [0.6, 0.61, 0.6], "$x_$": [0.65, 0.64, 0.63]})
    assert "figures/confusion.png" in make(study).files


def test_runs_without_curves_are_reported_all_the_same(make_recorded: MakeRecorded) -> None:
    study = make_recorded({"baseline": [0.6, 0.61, 0.6], "arm": [0.65, 0.64, 0.63]})
    for history in ({}, {"val/accuracy": np.empty(0), "train/loss": np.empty(0)}):
        runs = [dataclasses.replace(run, history=history) for run in study.runs]
        made = make(dataclasses.replace(study, runs=runs))
        assert "arm" in made.terminal and "figures/curves.png" not in made.files


def test_folds_are_called_by_their_name(make_recorded: MakeRecorded) -> None:
    folds = [f"{k}/3" for k in (1, 2, 3)]
    study = make_recorded({"baseline": [0.6, 0.61], "arm": [0.8, 0.81]}, folds=folds)
    made = make(study)
    assert "6 folds" in page(made)
    assert "Nadeau and Bengio" in page(made)
    assert "[1:2](#/experiments/" in made.description


def test_the_report_is_spanish_when_asked(spanish: Report) -> None:
    text = page(spanish)
    assert 'lang="es"' in spanish.files["report.html"].decode()
    assert "batch-norm ayuda: +20.0 puntos de exactitud" in text
    assert "¿Qué regularizadores ayudan?" in text
    assert "capas ocultas normalizadas por batch" in text
    for english in ("helps", "interval ", "overfits", "Questions", "too few", "finished"):
        assert english not in text


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_remarks_on_the_data_are_spanish_as_well(clear: RecordedStudy) -> None:
    leaks = Remark("val_leaks", {"name": "colors", "count": 3, "all": 18})
    study = dataclasses.replace(clear, remarks=[leaks])
    assert "3 of 18 validation images are copies" in page(make(study))
    assert "3 de 18 imágenes de validación son copias exactas" in page(make(study, lang="es"))


SUITES = [find_suite(name) for name in suite_names()]
# What has its English where it is made; English files do not repeat it
ELSEWHERE = {
    **{f"remark.{kind}": text for kind, text in TEXTS.items()},
    **{f"remark.note.{kind}": "{name}" + texts[1] for kind, texts in NOTES.items()},
    **{f"finding.{kind}": text for kind, text in KINDS.items()},
    **{f"reason.{kind}": text for kind, text in REASONS.items()},
    **{f"metric.{name}": metric.words for name, metric in METRICS.items()},
    **{f"question.{suite.name}": suite.question for suite in SUITES},
    **{f"about.{arm.name}": arm.about for suite in SUITES for arm in suite.arms},
}


@pytest.mark.parametrize("lang", sorted(set(LANGUAGES) - {"en"}))
def test_every_phrase_is_there_in_every_language_with_the_same_places(lang: str) -> None:
    english, phrases = LANGUAGES["en"].phrases | ELSEWHERE, LANGUAGES[lang].phrases
    assert not ELSEWHERE.keys() & LANGUAGES["en"].phrases.keys()
    for key, text in english.items():
        assert key in phrases, f"{lang}: no {key}: {text}"
        assert places(phrases[key]) == places(text), key
    more = {key for key in phrases.keys() - english.keys() if not key.startswith("message.")}
    assert more == {"question.best-of", "about.base", "question.training"}  # of search and train


def test_a_long_description_leaves_out_links_before_mlflow_cuts_it(
    make_recorded: MakeRecorded,
) -> None:
    accuracies: dict[str, list[float | None]] = {f"arm-{k}": [0.5, 0.6] for k in range(15)}
    few = make(make_recorded(accuracies))
    many = make(make_recorded(accuracies, folds=tuple(f"{k}/5" for k in range(1, 6))))
    assert "#/experiments/7/runs/id-arm-3-0" in few.description
    assert len(many.files["report.md"]) > 8000 > len(many.description)
    assert "id-arm-3-0" in many.files["report.md"].decode()
    rows = [line for line in many.description.splitlines() if line.startswith("|")]
    assert len(rows) == 17 and len({row.count("|") for row in rows}) == 1


def data_of(made: Report) -> dict[str, Any]:
    """The data that the scripts of a page read."""
    text = made.files["report.html"].decode()
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_any_two_arms_can_be_compared_image_by_image(clear: RecordedStudy, made: Report) -> None:
    data = data_of(made)
    assert data["arms"] == [arm.name for arm in clear.arms]
    best, base = data["arms"].index("batch-norm"), 0
    assert data["chosen"] == [best, base]
    answers = {name: [r.evaluation for r in clear.of(name).values()] for name in data["arms"]}
    evaluation = answers["baseline"][0]
    assert evaluation is not None
    shown = {image["name"]: image for image in data["images"]}
    correct = {}
    for name, arm in answers.items():
        mean = np.mean([each.probabilities for each in arm if each], axis=0)
        correct[name] = mean.argmax(axis=1) == evaluation.labels
        right = np.sum([each.predicted == each.labels for each in arm if each], axis=0)
        for k, image in enumerate(evaluation.ids):
            if image in shown:
                place = data["arms"].index(name)
                assert shown[image]["right"][place] == right[k] and shown[image]["runs"][place] == 5
                assert shown[image]["sure"][place] == pytest.approx(mean[k].max(), abs=1e-3)
                assert shown[image]["truth"][place] == pytest.approx(
                    mean[k, evaluation.labels[k]], abs=1e-3
                )
    votes = np.sum(list(correct.values()), axis=0)
    assert set(shown) == set(evaluation.ids[(votes > 0) & (votes < len(correct))])
    count = int((correct["batch-norm"] & ~correct["baseline"]).sum())
    assert count and f"batch-norm right, baseline wrong: {count} images" in page(made)
    mean, low, high = data["curves"][best]["val/accuracy"]
    curves = [100 * r.history["val/accuracy"] for r in clear.of("batch-norm").values()]
    assert mean == pytest.approx(np.mean(curves, axis=0), abs=1e-3)
    assert low == pytest.approx(np.min(curves, axis=0), abs=1e-3)
    assert high == pytest.approx(np.max(curves, axis=0), abs=1e-3)
    assert all(np.sum(matrix, axis=1) == pytest.approx(100, abs=0.2) for matrix in data["matrices"])


def test_images_have_thumbnails_where_they_are_at_hand(clear: RecordedStudy, made: Report) -> None:
    assert "There are no thumbnails" in page(made)
    picture = cv2.imencode(".jpg", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    pictures = dict.fromkeys(disputed(clear), picture)
    shown = build(clear, ReportConfig(), {}, pictures)
    assert "There are no thumbnails" not in page(shown)
    assert {base64.b64decode(image["picture"]) for image in data_of(shown)["images"]} == {picture}
    kept = Recorded(clear, shown).file(clear, "thumbnails.parquet")
    assert kept and reports.make(Recorded(clear, shown), clear, ReportConfig()).files == shown.files


class Recorded(MemoryStudies):
    """A study and its report, as they are recorded."""

    def __init__(self, study: RecordedStudy, made: Report) -> None:
        super().__init__()
        self.study, self.made = study, made

    def find(self, which: str) -> str:
        return which

    def read(self, run_id: str) -> RecordedStudy:
        return self.study

    def file(self, study: RecordedStudy, name: str) -> bytes | None:
        return self.made.files.get(name)


def test_every_changed_digit_of_a_page_is_found(made: Report) -> None:
    text = made.files["report.html"].decode()
    assert not list(differences(text, text))
    digits = [m.start() for m in re.finditer(r"\d", text)]
    for place in np.random.default_rng(0).choice(digits, 5):
        other = str((int(text[place]) + 1) % 10)
        assert list(differences(text[:place] + other + text[place + 1 :], text))
    for old, new, said in (
        (
            "+20.0</td>",
            "+21.0</td>",
            "Every arm, batch-norm: '+21.0', but the record gives '+20.0'",
        ),
        ('"sure": [', '"sure": [9, ', "data of the page, images, 0, sure, 0: '9"),
        ("Use batch-norm: 80.0%", "Use batch-norm: 80.1%", "Which?: 'Use batch-norm: 80.1%"),
    ):
        assert old in text
        (line,) = differences(text.replace(old, new, 1), text)
        assert line.startswith(said)


def test_a_page_is_verified_against_predictions_and_histories(
    clear: RecordedStudy, made: Report, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(made.files["report.html"])
    assert "numbers are as the record of parent gives them" in verify(
        Recorded(clear, made), str(file)
    )
    first, *others = clear.runs
    wrong = {"final/macro_f1": 0.99, "facts/epochs": 9.0}
    changed = dataclasses.replace(first, metrics=dict(first.metrics) | wrong)
    study = dataclasses.replace(clear, runs=[changed, *others])
    with pytest.raises(PageDiffers) as caught:
        verify(Recorded(study, made), str(file))
    told = str(caught.value).splitlines()
    assert "differs from the record of parent in 2 places" in told[0]
    assert "run id-baseline-0: final/macro_f1 is recorded as 0.99" in told[1]
    assert told[2] == "  Every arm, baseline: '10', but the record gives '9.8'"


def test_a_page_says_what_it_was_made_from_and_how_to_have_it_again(clear: RecordedStudy) -> None:
    runs = [dataclasses.replace(run, data_digest="d1gest") for run in clear.runs]
    base = {"data": "my photos", "lr": "0.01", "seed": "0", "epochs": "20"}
    study = dataclasses.replace(clear, runs=runs, base=base, commit="c0ffee", address="http://here")
    made = make(study, margin="2", lang="en")
    text = page(made)
    assert "Study parent. Commit c0ffee; data colors, digest d1gest; seeds 0, 1, 2, 3, 4." in text
    assert (
        "mlflow run . -e study --env-manager local -P suite=regularization -P 'data=my photos' "
        "-P lr=0.01 -P seeds=0,1,2,3,4 -P margin=2"
    ) in text
    assert f'href="http://here/{run_page("7", runs[0].run_id)}"' in made.files[
        "report.html"
    ].decode().replace("&amp;", "&")


@pytest.mark.slow
def test_the_library_that_draws_is_the_one_that_is_named() -> None:
    import vl_convert

    text = (Path(reports.__file__).parent / "templates" / "vega.js").read_text(encoding="utf-8")
    assert vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;") in text
    assert f"Vega {vl_convert.get_vega_version()}, Vega-Lite " in text
