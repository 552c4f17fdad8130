"""The documents show commands, options, YAML files and paths that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow.projects._project_spec import load_project

from mlp.search.space import find_space
from mlp.settings.base import Settings
from mlp.settings.recipes import find_recipe
from mlp.study.suite import find_suite
from scripts.mlproject import COMMANDS, SETTINGS_PAGE, settings_page

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "README.es.md",
    "benchmarks/README.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
)
LINKED = (*DOCUMENTS, "CONTRIBUTING.md", "CHANGELOG.md", "mlruns/README.md")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str = r"\w*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(document), re.S | re.M)


def prose(document: str) -> str:
    return re.sub(r"^```.*?^```", "", text_of(document), flags=re.S | re.M)


def spans(document: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(document))


def commands(start: str) -> Iterator[tuple[str, str]]:
    """Document and command, from blocks of code and from code within lines."""
    for document in DOCUMENTS:
        lines = [line for block in blocks(document) for line in block.splitlines()]
        for line in lines + spans(document):
            for part in re.split(r"&&|  +#", line):
                if part.strip().startswith(start):
                    yield document, part.strip()


def groups() -> set[type[Settings]]:
    return {group for command in COMMANDS.values() for group in command.groups}


@pytest.mark.parametrize(("document", "line"), sorted(set(commands("python -m scripts."))))
def test_a_script_takes_the_options_that_a_document_shows(document: str, line: str) -> None:
    module, *arguments = shlex.split(line.removeprefix("python -m "))
    if module == "scripts.mlproject" or "--help" in arguments:
        return
    takes(module.removeprefix("scripts."), arguments)


@pytest.mark.parametrize(("document", "line"), sorted(set(commands("mlp "))))
def test_the_program_takes_the_options_that_a_document_shows(document: str, line: str) -> None:
    name, *arguments = shlex.split(line.partition(" > ")[0].removeprefix("mlp "))
    if name != "--help":
        takes(name, arguments)


def takes(name: str, arguments: list[str]) -> None:
    shown = COMMANDS[name]
    context = shown.make_context(name, ["x" if a == "RUN_ID" else a for a in arguments])
    given = {name: value for name, value in context.params.items() if value is not None}
    for group in shown.groups:
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


@pytest.mark.parametrize(("document", "line"), sorted(set(commands("-P "))))
def test_an_option_that_a_document_shows_is_taken_with_its_value(document: str, line: str) -> None:
    options = [value.split("=", 1) for flag, value in pairwise(shlex.split(line)) if flag == "-P"]
    given = {name: value for name, value in options if value}
    takes = [group for group in groups() if given.keys() <= group.model_fields.keys()]
    assert takes, line
    for group in takes:
        group.parse(given)


@pytest.mark.parametrize(("document", "line"), sorted(set(commands("python -m benchmarks."))))
def test_a_benchmark_that_a_document_shows_is_there(document: str, line: str) -> None:
    assert (ROOT / f"{line.split()[2].replace('.', '/')}.py").is_file()


YAMLS = [(d, n, text) for d in DOCUMENTS for n, text in enumerate(blocks(d, "yaml"))]


@pytest.mark.parametrize(("document", "number", "text"), YAMLS, ids=lambda part: str(part)[:20])
def test_yaml_that_a_document_shows_is_read(
    document: str, number: int, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(text, encoding="utf-8")
    if re.search(r"^(arms|factors):", text, re.M):
        assert len(find_suite(str(path)).arms) >= 2
    elif re.search(r"^space:", text, re.M):
        assert find_space(str(path)).dimensions
    else:
        assert find_recipe(str(path))


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_suites_beside_the_documents_are_suites_and_are_shown(path: Path) -> None:
    suite = find_suite(str(path))
    assert len(suite.arms) >= 2
    assert [line for _, line in commands("python -m scripts.study") if path.name in line]


def anchors(path: Path) -> set[str]:
    """The addresses that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", LINKED)
def test_relative_links_lead_somewhere(document: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if re.match(r"\w+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (ROOT / document).parent / place if place else ROOT / document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_of_the_project_that_a_document_names_are_there(document: str) -> None:
    for span in spans(document):
        if re.fullmatch(r"(mlp|scripts|tests|docs|benchmarks|kubernetes)/[\w/.]+", span):
            assert (ROOT / span).exists(), span


def test_the_architecture_names_every_room() -> None:
    inside = [path for path in (ROOT / "mlp").glob("[a-z]*") if path.suffix in ("", ".py")]
    missing = [
        p.name for p in inside if f"(../mlp/{p.name})" not in text_of("docs/architecture.md")
    ]
    assert not missing


@pytest.mark.parametrize("document", LINKED)
def test_pages_of_the_documents_are_linked(document: str) -> None:
    """Every page is reached from the README."""
    page = ROOT / document
    if page.parent == ROOT / "docs":
        assert f"](docs/{page.name})" in text_of("README.md")


def test_the_page_of_settings_is_what_the_fields_make() -> None:
    assert SETTINGS_PAGE.read_text(encoding="utf-8") == settings_page(), (
        "run: python -m scripts.mlproject"
    )


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) < 170


def test_documents_are_not_empty_of_commands() -> None:
    assert len(set(commands("python -m scripts."))) > 15
    assert len(set(commands("mlflow run ."))) > 5


def outline(document: str) -> list[str]:
    """Levels and numbers of headings, questions, items of lists and rules of tables, in order."""
    return re.findall(r"^(?:#+ [\d.]*|\*\*|- \*|\|[ |:-]+$)", prose(document), re.M)


def rows(document: str) -> list[str]:
    """The rows of tables below their heads, with English intervals."""
    bodies = re.findall(r"^\|[ |:-]+\|\n((?:\|.*\n)+)", text_of(document), re.M)
    return "".join(bodies).replace(" a ", " to ").splitlines()


def numbers(document: str) -> list[str]:
    """The numbers of text and tables. Thousands have a comma or a space that does not break."""
    text = re.sub(r"(?<=\d)[,\u00a0](?=\d{3}\b)", "", prose(document))
    return re.findall(r"[+−±-]?\d+(?:\.\d+)?", text)


def code_without_language(document: str) -> list[str]:
    return [block.replace(" --lang es", "") for block in blocks(document)]


@pytest.mark.parametrize("part", [outline, code_without_language, rows, numbers])
def test_the_exercise_is_the_same_in_both_languages(part: Callable[[str], list[str]]) -> None:
    english = part("docs/exercise.md")
    assert len(english) > 20
    assert part("docs/ejercicio.md") == english


def test_the_spanish_readme_shows_commands_of_the_readme() -> None:
    assert blocks("README.es.md") == blocks("README.md")[:2]
    programs = r"(python|py|mlp|mlflow|pip|tensorboard) "
    shown = {span for span in spans("README.es.md") if re.match(programs, span)}
    typed = {line for block in blocks("README.md") for line in block.splitlines()}
    assert shown
    assert shown <= typed | set(spans("README.md"))
