"""The console: what is printed, who hears it instead, and where bars are drawn."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from mlp import console


def test_who_listens_hears_what_would_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    with console.told_to(heard.append), ThreadPoolExecutor(1) as thread:
        console.out("an answer")
        thread.submit(console.err, "a note\x1b[2J").result()
    console.out("printed")
    assert heard[0] == "an answer" and heard[1].startswith("a note") and "\x1b" not in heard[1]
    assert capsys.readouterr() == ("printed\n", "")


@pytest.mark.parametrize(
    ("shell", "drawn"),
    [(SimpleNamespace(kernel=object()), True), (SimpleNamespace(), False), (None, False)],
)
def test_bars_are_drawn_in_notebooks_and_not_where_nobody_looks(
    shell: object, drawn: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    python = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", python)
    assert list(console.bar(range(3), "counting")) == [0, 1, 2]
    said = capsys.readouterr()
    assert ("counting:" in said.err) == drawn and not said.out
