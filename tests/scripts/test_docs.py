"""The commands that the documents show are commands that there are, with options that there are."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow.projects._project_spec import load_project

from mlp.study.suite import find_suite
from scripts.command import SettingsCommand

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/exercise.md", "docs/strong.md")


def commands(start: str) -> Iterator[tuple[str, str]]:
    """Document and command, from blocks of code and from code within lines."""
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
        for line in lines:
            for part in re.split(r"&&|  +#", line):
                if part.strip().startswith(start):
                    yield document, part.strip()


@pytest.mark.parametrize(("document", "line"), sorted(set(commands("python -m scripts."))))
def test_a_script_takes_the_options_that_a_document_shows(document: str, line: str) -> None:
    module, *arguments = shlex.split(line.removeprefix("python -m "))
    if module == "scripts.mlproject" or "--help" in arguments:
        return
    command = getattr(importlib.import_module(module), module.removeprefix("scripts."))
    assert isinstance(command, SettingsCommand)
    context = command.make_context(module, ["x" if a == "RUN_ID" else a for a in arguments])
    given = {name: value for name, value in context.params.items() if value is not None}
    for group in command.groups:
        group.parse({name: given[name] for name in given if name in group.model_fields})


@pytest.mark.parametrize(("document", "line"), sorted(set(commands("mlflow run ."))))
def test_mlflow_run_takes_what_a_document_shows(document: str, line: str) -> None:
    arguments = shlex.split(line)
    project = load_project(str(ROOT))
    entry = arguments[arguments.index("-e") + 1] if "-e" in arguments else "main"
    known = project.get_entry_point(entry).parameters
    for flag, value in pairwise(arguments):
        if flag == "-P":
            assert value.split("=")[0] in known, value


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_suites_beside_the_documents_are_suites_and_are_shown(path: Path) -> None:
    suite = find_suite(str(path))
    assert len(suite.arms) >= 2
    assert [line for _, line in commands("python -m scripts.study") if path.name in line]


def test_documents_are_not_empty_of_commands() -> None:
    assert len(set(commands("python -m scripts."))) > 15
    assert len(set(commands("mlflow run ."))) > 5
