"""YAML from strangers: whatever a file holds, it is read or answered with its line, at once.

pytest -m slow tests/study/test_settings_file.py                          # a minute of fuzz
MLP_FUZZ_SECONDS=600 pytest -m slow tests/study/test_settings_file.py     # ten
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from mlp.errors import SettingsError
from mlp.search.space import read_space
from mlp.settings.recipes import find_recipe
from mlp.study.suite import read_suite
from tests.quickness import MOST_SECONDS, at_once

SECONDS = float(os.environ.get("MLP_FUZZ_SECONDS", "60"))
_EXAMPLES = 400  # between two looks at the clock

ARM = "arms:\n  - name: a\n"
CHANGES = ARM + "    changes: {%s}\n"
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 10)
)
ENDLESS = ", ".join(map(str, range(1, 1001)))


def answered(path: Path) -> str:
    """What a suite is answered with, which takes no time."""

    def message() -> str:
        with pytest.raises(SettingsError) as error:
            read_suite(path)
        return str(error.value)

    waited = time.perf_counter()
    said = at_once(message)
    assert time.perf_counter() - waited < 10 * MOST_SECONDS  # others may use the machine
    return said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "question: !!python/object/apply:os.system [id]\n" + ARM,
            "line 1: tags such as 'tag:yaml",
        ),
        (CHANGES % "dropout: !half 0.5", "line 3: tags such as '!half' are not used here"),
        (CHANGES % "dropout: !!binary aGk=", "line 3: tags such as"),
        ("arms: !!set\n  ? a\n", "line 1: tags such as"),
        ("arms: &a [*a]\n", "line 1: an anchor that contains itself"),
        ("base: &a {dropout: *a}\n" + ARM, "line 1: an anchor that contains itself"),
        (LAUGHS, "line 1: more than 10000 names and values, anchors followed"),
        ("arms: " + "[" * 100_000, "line 1: more than 20 levels deep"),
        ("arms: " + "[" * 2000 + "]" * 2000, "line 1: more than 20 levels deep"),
        ("arms:\n" + "".join(" " * k + "-\n" for k in range(1, 600)), "levels deep"),
        ("{[1]: 2}", "line 1: a suite: a name should be a text"),
        (ARM + ARM, "line 3: arms is there twice"),
        (CHANGES % "<<: {dropout: 0.5}", "line 3: settings: '<<' is unknown"),
        (CHANGES % ("epochs: " + "9" * 6000), "line 3: epochs: "),
        (CHANGES % ("epochs: 0x" + "f" * 6000), "line 3: epochs: "),
        (CHANGES % "epochs: 2024-13-45", "'2024-13-45' was given"),
        (CHANGES % "lr: .inf", "'.inf' was given"),
        (CHANGES % "lr: inf", "lr: should be a finite number"),
        (CHANGES % "lr: .nan", "'.nan' was given"),
        (CHANGES % "epochs: 1:30", "'1:30' was given"),
        (CHANGES % "dropout: ~", "line 3: dropout has no value"),
        (CHANGES % "hidden: [[1]]", "line 3: hidden should be a value, or a list of values"),
        (ARM + "---\n" + ARM, "line 3: no YAML: expected a single document"),
        (ARM + "# \0\n", "line 3: no YAML: the character U+0000"),
        ('question: "\\ud800"\n' + ARM, "line 1: question has a character"),
        (ARM + "  - name: A\n", "line 3: arms 'a' and 'A' differ in case only"),
        ("arms: [{name: Con}]", "line 1: 'Con' is the name of a device on Windows"),
        ("arms: [{name: nul.txt}]", "is the name of a device"),
        ("arms: [{name: a.}]", "ends with no dot; 'a.' was given"),
        ("arms: [{name: " + "x" * 100_000 + "}]", "...' was given"),
        ("arms: [&a {name: a}" + ", *a" * 2000 + "]", "line 1: 2001 arms; a suite has at most 200"),
        (
            f"factors: {{epochs: [{ENDLESS}], batch_size: [{ENDLESS}], hidden: [{ENDLESS}]}}",
            "line 1: 1000000000 arms; a suite has at most 200",
        ),
        ("arms:\n" + "".join(f"- name: a{k}\n" for k in range(10_000)), "names and values"),
        ("question: " + "x " * 200_000 + "\n" + ARM, "cannot be read: it is larger than 256 KiB"),
    ],
)
def test_what_costs_or_misleads_is_answered_with_its_line(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    given = answered(file)
    assert said in given and str(file) in given and len(given) < 2000


def test_numbers_are_those_that_a_command_line_reads(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "\ufefffactors: {epochs: [1_000, 010, '7'], lr: [1e-3], batch_norm: [yes]}",
        encoding="utf-8",
    )
    arms = read_suite(file).arms
    assert [arm.changes["epochs"] for arm in arms] == [1000, 10, 7]
    assert {arm.changes["lr"] for arm in arms} == {0.001}
    assert all(arm.changes["batch_norm"] is True for arm in arms)


def test_an_anchor_stands_for_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "base: &half {dropout: 0.5}\narms:\n  - {name: a}\n  - {name: b, changes: *half}\n"
    )
    suite = read_suite(file)
    assert suite.arms[1].changes == suite.base == {"dropout": 0.5}


def test_a_question_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("question: |\n  Wide\n  or deep?\n" + ARM)
    assert read_suite(file).question == "Wide or deep?"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    assert "it is a folder" in answered(tmp_path)
    assert "cannot be read" in answered(Path("a\0b.yaml"))
    if sys.platform != "win32":
        pipe = tmp_path / "pipe.yaml"
        os.mkfifo(pipe)
        assert "it is a pipe or a device" in answered(pipe)
        link = tmp_path / "zero.yaml"
        link.symlink_to("/dev/zero")
        assert "it is a pipe or a device" in answered(link)


def test_a_grid_is_counted_before_it_is_made(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("space: {epochs: {low: 1, high: 999999999999}, dropout: [0.1, 0.2]}")

    def count() -> None:
        with pytest.raises(SettingsError, match="a grid of 1999999999998 points"):
            read_space(file).grid()

    at_once(count)


@pytest.mark.parametrize("option", ["step: .nan", "step: 9e999", "log: maybe", "step: [1]"])
def test_a_range_of_what_is_no_number(option: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"space:\n  lr: {{low: 0.1, high: 1, {option}}}\n")
    with pytest.raises(SettingsError, match=r"mine\.yaml, line 2"):
        read_space(file)


_WORDS = """
    question recipe base arms factors space about name changes epochs dropout lr hidden low high
    step log true 0.5 1e-3 9e999 .inf .nan ~ 010 1_000 2024-13-45 a A con strong !!int !!binary !x
    !!python/name:os &a *a << | > ? % @ ` " ' # --- ... [ ] { } , : - \\ \0 \ud7ff é 😀
"""
_JOINTS = ("\n", "\n  ", "\n    ", ": ", "- ", ", ", "\t", "\r", "\x85", "9" * 5000, "[" * 200)
_PIECES = st.sampled_from([*_WORDS.split(), *_JOINTS])
_VALID = (
    "question: Why?\nrecipe: strong\nbase: {epochs: 7, hidden: [64, 32]}\n"
    "arms:\n  - name: usual\n  - name: deep\n    changes: {lr: 1.0e-2}\n    about: three layers\n",
    "factors:\n  dropout: [0.0, 0.5]\n  hidden: [[8], '16,4']\n",
    "about: x\nbase: {epochs: 3}\nspace:\n  lr: {low: 1e-4, high: 1e-1, log: true}\n"
    "  dropout: [0, 0.5]\n  epochs: {low: 2, high: 8, step: 2}\n",
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Pieces of YAML in any order, or a file that was right and has a few pieces put into it."""
    if draw(st.booleans()):
        return "".join(draw(st.lists(_PIECES, max_size=40))).encode("utf-8", "surrogatepass")
    text = draw(st.sampled_from(_VALID))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        gone = draw(st.integers(0, 8))
        text = text[:place] + draw(_PIECES) + text[place + gone :]
    made = text.encode("utf-8", "surrogatepass")
    return made + draw(st.sampled_from([b"", b"", b"", b"\xff"]))


@pytest.mark.slow
def test_any_file_is_read_or_answered(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    end = time.monotonic() + SECONDS
    # A hang would show where, and end the tests
    faulthandler.dump_traceback_later(SECONDS + 60, exit=True)
    rounds = read = 0

    def is_read(reader: Callable[[Path], object]) -> bool:
        try:
            reader(file)
        except SettingsError as error:
            assert str(file) in str(error)
            return False
        return True

    def check(data: bytes) -> None:
        nonlocal read
        file.write_bytes(data)
        for reader in (read_suite, read_space, lambda path: find_recipe(str(path))):
            read += at_once(partial(is_read, reader))

    try:
        while time.monotonic() < end:
            run = settings(
                max_examples=_EXAMPLES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(given(documents())(check))
            seed(rounds)(run)()
            rounds += 1
    finally:
        faulthandler.cancel_dump_traceback_later()
    print(f"{rounds * _EXAMPLES} files in {SECONDS:.0f} s, of which {read} could be read")
    assert rounds and read
