"""Names of classes, files and folders that do things elsewhere are names to every command."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp.commands.ablation import ablation
from mlp.commands.audit import audit
from mlp.commands.command import SettingsCommand
from mlp.commands.compare import compare as study
from mlp.commands.evaluate import evaluate
from mlp.commands.predict import predict
from mlp.commands.register import register
from mlp.commands.report import report
from mlp.data.dataset import open_index
from mlp.data.split_file import apply_split
from mlp.escaping import from_cell, line, lines
from tests.conftest import colored_image, write_image
from tests.scripts.processes import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such folders"),
]

NAMES = (
    "new\nline",
    "cr\rtab\tend",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b31m",
    "=cmd|' \\C calc'!A0",
    "'=quoted",
    "+1-1",
    "-2.5",
    "@me",
    "<script>alert(1)<",
    "&lt;b&gt;",
    r"$\frac$",
    r"\$x_$",
    "a|b",
    "](javascript:alert(1))",
    "`code` **bold** _it_ # h",
    "cod\u202egpj",
    "zero\u200bwidth",
    "\u00e9" * 120,
    "👩\u200d🚀 😀",
    "\u00f9\u0301\u0302",
    "trailing.",
    'comma, "quote"; semicolon',
)
QUICK = ["--image-size", "8", "--hidden", "8", "--epochs", "1", "--threads", "1"]
STUDY = """
question: "Which\\e[31m <b>| one?"
arms:
  - {name: plain, about: "as \\e[2J *it* | is\\nnow <i>"}
  - {name: dropout, changes: {dropout: 0.5}}
"""


def is_seen(text: str) -> bool:
    """Whether nothing in it moves a cursor, turns the direction of writing, or hides."""
    return all(
        char in "\n\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        for char in text
    )


def call(command: SettingsCommand, *arguments: str, code: int = 0) -> Result:
    made = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert made.exit_code == code, made.output
    assert is_seen(made.output.replace("\t", "\n")), repr(made.output)
    return made


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "=data\x1b[31m|\n<b>"
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for label, name in enumerate(NAMES):
            for number in range(count):
                path = root / split / name / f"=\n{number}.png"
                write_image(path, colored_image(label % 3, rng, 16))
    return root


TEMPLATES = ROOT / "mlp" / "report" / "templates"


def runs() -> list[Run]:
    client = MlflowClient()
    every = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(every, run_view_type=ViewType.ALL, max_results=1000))


def artifact(run: Run, name: str) -> bytes:
    place = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)
    return Path(place).read_bytes()


def is_inert_markdown(text: str) -> bool:
    """Whether it has no link, image, tag or mention but those of MLflow's own pages."""
    bare = re.sub(r"\]\(#/[^)\s]*\)", "](page)", text)
    return not re.search(r"(?<!\\)\]\((?!page\))|<(?!\d)\w|(?<!\\)`|(^|\s)@\w", bare)


def without_own_scripts(page: str) -> str:
    """A page without the scripts of the project, and the data that they show."""
    for name in ("vega.js", "explorer.js"):
        own = (TEMPLATES / name).read_text(encoding="utf-8")
        page = page.replace(f"<script>{own}</script>", "")
    start, end = '<script type="application/json" id="pair-data">', "</script>"
    if start in page:
        before, _, rest = page.partition(start)
        data, _, after = rest.partition(end)
        assert "<" not in data and json.loads(data)
        page = before + after
    return page


def test_every_command_takes_hostile_names_for_names(
    images: Path, fresh_database: None, tmp_path: Path
) -> None:
    suite = tmp_path / "mine.yaml"
    suite.write_text(STUDY)
    data = str(images)
    trained = call(study, "--data", data, "--suite", str(suite), "--seeds", "2", *QUICK)
    assert line(images.name) in trained.output and "Which\\u001b[31m" in trained.output
    call(audit, "--data", data)
    call(report, "--lang", "es")
    call(register)
    name = MlflowClient().search_registered_models()[0].name
    model = f"models:/{name}/1"
    call(evaluate, "--data", data, "--model", model)
    answers = call(predict, "--model", model, "--format", "csv", str(images / "val"))
    call(predict, "--model", model, str(images / "val"))
    as_json = call(predict, "--model", model, "--format", "json", str(images / "val"))
    assert {row["label"] for row in json.loads(as_json.stdout)} <= set(NAMES)
    rows = list(csv.DictReader(io.StringIO(answers.stdout)))
    assert len(rows) == 2 * len(NAMES)
    assert {from_cell(row["label"]) for row in rows} <= set(map(lines, NAMES))
    call(audit, "--data", f"{data}\x1b[2J/none", code=1)
    call(audit, f"--da\x1b[2Jta={data}", code=2)

    for run in runs():
        assert run.info.status == "FINISHED"
        assert is_seen(run.info.run_name) and "\n" not in run.info.run_name
        note = run.data.tags.get("mlflow.note.content", "")
        assert is_seen(note) and is_inert_markdown(note), note
    [parent] = [run for run in runs() if run.data.tags["mlp.kind"] == "study"]
    [looked] = [run for run in runs() if run.data.tags["mlp.kind"] == "audit"]
    tried = [run for run in runs() if run.data.tags["mlp.kind"] == "run"]
    for run, name in ((parent, "report.html"), (looked, "audit.html")):
        page = without_own_scripts(artifact(run, name).decode())
        assert is_seen(page) and "<script" not in page and "</title>" in page
        assert page.count("<title>") == page.count("</title>") == 1
    for run, name in ((parent, "report.md"), (looked, "audit.md")):
        text = artifact(run, name).decode()
        assert is_seen(text) and is_inert_markdown(text)
    for run in tried:
        text = artifact(run, "classification_report.txt").decode()
        table, _, confused = text.partition("\nmost frequent confusions\n")
        assert is_seen(text) and len(table.splitlines()) == len(NAMES) + 6
        assert all(" taken for " in said for said in confused.splitlines())
    for run, name in ((parent, "comparison.csv"), (parent, "scores.csv"), (looked, "audit.csv")):
        for row in csv.reader(io.StringIO(artifact(run, name).decode(), newline=""), strict=True):
            assert not any(re.match(r"\s*[=+@]|\s*-(?![\d.]+(e-?\d+)?$)", cell) for cell in row)
    for folder in Path("runs").glob("*/*"):
        events = EventAccumulator(str(folder))
        events.Reload()
        tags = [tag for kind in events.Tags().values() if isinstance(kind, list) for tag in kind]
        assert all(is_seen(tag) and "\n" not in tag for tag in tags)

    split = tmp_path / "split.csv"
    split.write_bytes(artifact(parent, "split.csv"))
    given = open_index(data)
    again = apply_split(given, str(split))
    pd.testing.assert_frame_equal(again.table, given.table)
    assert set(again.classes) == set(NAMES)
    call(ablation, "--data", data, "--split", str(split), "--seeds", "1", *QUICK)
