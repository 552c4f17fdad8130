"""Names that strangers chose, in each of the places where they are shown."""

from __future__ import annotations

import ast
import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp.escaping import (
    brief,
    csv_text,
    figure,
    folder_name,
    from_cell,
    html,
    line,
    lines,
    markdown,
    masked,
    without_login,
)
from mlp.report.page import page
from tests.test_layout import MODULES, module_name

QUICK = settings(database=None, deadline=None)
TEXTS = st.text(max_size=40) | st.text("=+-@'\t\r\n ;,\"|*_[]()<>#`\\1.\u202e\u200d\u200b\x1b\x9b$")


def seen(text: str) -> bool:
    """Whether each letter is one that a person sees, but for joiners between letters."""
    return all(
        unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or char in "\u200c\u200d"
        for char in text
    )


@QUICK
@given(TEXTS)
def test_a_line_is_one_line_of_letters_that_are_seen(text: str) -> None:
    shown = line(text)
    assert seen(shown) and "\n" not in shown
    assert line(shown) == shown
    assert lines(f"{text}\n{text}").count("\n") == 2 * text.count("\n") + 1
    assert seen(lines(text).replace("\n", "").replace("\t", ""))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("red", "red"),
        ("ñandú, 猫 and 😀", "ñandú, 猫 and 😀"),
        ("e\u0301", "e\u0301"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("क्\u200dष", "क्\u200dष"),
        ("a\u200db", "a\\u200db"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\x9b31m", "\\u009b31m"),
        ("one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"),
        ("cod\u202egpj", "cod\\u202egpj"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("a\u2028b\ufeff", "a\\u2028b\\ufeff"),
        ("caf\udce9", "caf\\udce9"),
        ("\U000e0041", "\\udb40\\udc41"),
    ],
)
def test_what_a_line_shows(text: str, shown: str) -> None:
    assert line(text) == shown


def test_json_stays_json() -> None:
    made = json.dumps({"label": "a\x1b\x9b\u202e\U000e0041"}, ensure_ascii=False)
    assert json.loads(lines(made)) == json.loads(made)


@QUICK
@given(st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=1, max_size=4))
def test_csv_comes_back_unchanged_and_holds_no_formula(rows: list[list[str]]) -> None:
    written = csv_text(rows)
    cells = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert [[from_cell(cell) for cell in row] for row in cells] == rows
    for row in cells:
        for cell in row:
            bare = cell.lstrip()
            if bare[:1] in tuple("=+-@"):
                float(bare)


def test_numbers_in_csv_stay_numbers() -> None:
    assert csv_text([[-1.5, 3, "-1.5", "+2e-3", "-1-1", None, "'x"]]) == (
        "-1.5,3,-1.5,+2e-3,'-1-1,,'x\n"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("batch_norm=True", "batch_norm=True"),
        ("+20.0 points, 0.0 to 1.5", "+20.0 points, 0.0 to 1.5"),
        ("a|b", "a\\|b"),
        ("](javascript:alert(1))", "\\](javascript:alert(1))"),
        ("![x](http://evil)", "\\!\\[x\\](http\\://evil)"),
        ("<script>", "&lt;script&gt;"),
        ("&lt;", "&amp;lt;"),
        ("*b* _i_ `c` ~s~", "\\*b\\* \\_i\\_ \\`c\\` \\~s\\~"),
        ("# heading", "\\# heading"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("---", "\\---"),
        ("@somebody", "\\@somebody"),
        ("two\nlines", "two\\\\nlines"),
    ],
)
def test_what_markdown_takes_for_text(text: str, written: str) -> None:
    assert markdown(text) == written


def test_html_and_figures() -> None:
    made = page("en", "<b>\u202e\n", "", [])
    assert "<title>&lt;b&gt;\\u202e\\n</title>" in made
    assert html(3) == "3"
    assert figure("$x_$ \n") == r"\$x_\$ \n" and figure("_hidden") == " _hidden"


@QUICK
@given(st.text(max_size=300))
def test_a_folder_of_any_name(text: str) -> None:
    made = folder_name(text)
    assert len(made.encode()) <= 100 and not set(made) & set('<>:"/\\|?*\n\r\x00')
    assert made.isprintable()


def test_a_long_text_is_repeated_by_its_beginning() -> None:
    assert brief("x" * 10_000) == f"'{'x' * 200}...'" and brief("x") == "'x'"


@pytest.mark.parametrize(
    ("address", "shown", "bare"),
    [
        ("http://ana:s3cret@host:5000", "http://***@host:5000", "http://host:5000"),
        ("http://ana:s3/c@ret@host/x", "http://***@host/x", "http://host/x"),
        ("https://s3cret@github.com/a.git", "https://***@github.com/a.git",
         "https://github.com/a.git"),
        ("postgresql+psycopg2://u:s3cret@db/m", "postgresql+psycopg2://***@db/m",
         "postgresql+psycopg2://db/m"),
        ("http://host/?token=s3cret&x=1", "http://host/?token=***&x=1",
         "http://host/?token=&x=1"),
        ("http://host:5000/#/models/a@champion", "http://host:5000/#/models/a@champion",
         "http://host:5000/#/models/a@champion"),
        ("sqlite:////home/a@b:c/mlflow.db", "sqlite:////home/a@b:c/mlflow.db",
         "sqlite:////home/a@b:c/mlflow.db"),
    ],
)  # fmt: skip
def test_passwords_within_addresses(address: str, shown: str, bare: str) -> None:
    assert masked(address) == shown and without_login(address) == bare
    said = f"no server at {address}: ask a@b"
    assert masked(said) == f"no server at {shown}: ask a@b"
    assert line(said) == lines(said) == masked(said)


def test_only_the_console_prints() -> None:
    """What is printed elsewhere would reach a terminal as it is."""
    for path in MODULES:
        if module_name(path).startswith(("mlp.console", "benchmarks", "scripts.mlproject")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho", "tqdm.write"), path
                assert not called.startswith(("sys.stdout.w", "sys.stderr.w")), path
