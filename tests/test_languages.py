"""Commands speak each language: every message that they may print has a translation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mlp import console
from mlp.languages import LANGUAGES
from mlp.settings import commands, judgement, source, study, training
from mlp.settings.base import ConfigError, Settings

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("mlp/**/*.py"), *ROOT.glob("scripts/**/*.py")]
SPACES = [*ROOT.glob("mlp/search/spaces/*.yaml")]
ERRORS = {
    node.name
    for node in ast.parse((ROOT / "mlp/errors.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef)
}
# Words in pictures of searches
OF_OPTUNA = {
    "Trial",
    "Objective Value",
    "Best Value",
    "Hyperparameter",
    "Hyperparameter Importance",
}
# Of pydantic, of tables of formats, and of the system
OF_OTHERS = {
    "greater than {1}",
    "greater than or equal to {1}",
    "less than {1}",
    "less than or equal to {1}",
    "a valid number, unable to parse string as a number",
    "a valid integer, unable to parse string as an integer",
    "a finite number",
    "Unable to parse input string as an integer, exceeded maximum size; {1} was given",
    "true or false",
    "[Errno {1}] {2}",
    "No such file or directory",
    "Permission denied",
    "Is a directory",
    "Connection refused",
    "Not a directory",
    "No space left on device",
    "Read-only file system",
    "{1} or PCX",
}
OTHERS = sorted(set(LANGUAGES) - {"en"})
# Modules of which all texts of several words reach people
SPEAKING = [
    "mlp/settings/*.py",
    "mlp/data/images/*.py",
    "mlp/data/sources/*.py",
    *(f"mlp/data/{name}.py" for name in ("index", "pixels", "split", "split_file")),
    "mlp/evidence/judge.py",
    "mlp/execution/*.py",
    "mlp/failures.py",
    "mlp/imports.py",
    *(f"mlp/learning/{name}.py" for name in ("learner", "memory", "resolution")),
    "mlp/search/*.py",
    *(f"mlp/serving/{name}.py" for name in ("assessment", "loading", "prediction")),
    "mlp/study/*.py",
    "mlp/tracking/memory.py",
    *(
        f"mlp/tracking/mlflow/{name}.py"
        for name in (
            "answers", "claims", "database", "experiments", "moved", "outbox", "place", "reuse",
            "sources", "store", "studies", "surroundings", "tracker", "waiting",
        )
    ),
    "mlp/workflows/*.py",
]  # fmt: skip
# What is in them for other readers, or only the beginning of what is said: "#" is for values
SILENT = {
    # Parts of `_explain`, which the settings themselves are tested with
    "#; # was given", "Value error, ", "should be #", "should be one of #", "Input should",
    "should be true or false", "should not be empty",
    # What a field expects is said instead
    "not an address", "no such fold", "test-time augmentation",
    # Programming errors, keys, names and logs
    "#.# declares # roles, not one", "3 pillow # opencv #", "system volume information",
    "a study", "not in split", "given up", "seed=#, fold=#", "val_fraction #",
    "a piece of %s failed", "the report", "#: it is being made",
    # Names and descriptions of runs in MLflow
    "audit of #", "search on #", "[this run](#)",
    "with the same settings, seed, data and code: not trained again.",
    "Nothing was trained: # has the same configuration, seed, data and code.",
    # What others say, and is looked for
    "not enough memory", "allocate memory", "insufficient memory", "out of memory",
    "database or disk is full", "readonly database", "unable to open database file",
    "disk I/O error", "disk image is malformed", "file is not a database", "database is locked",
    "database table is locked", "database schema is locked", "UNIQUE constraint failed",
    "duplicate key", "Duplicate entry",
    # Questions have the names of suites as keys
    "How good is it?",
    "Of the best that a search found, which is best under fresh seeds and folds?",
}  # fmt: skip
QUERY = re.compile(r"SELECT |UPDATE |tags\.`|attributes\.|source_run_id|experiment_id <> 0")
# Words that no Spanish sentence has
ENGLISH = re.compile(
    r"\b(and|the|of|is|are|was|were|has|have|it|its|be|should|that|this|with|or|not|than|which|"
    r"cannot|other|another|more|by|for|from|to|in|on|there|they|each|every|image|images|"
    r"folder|file|run|runs|values|greater|less|equal|valid|unable|given|input|string|empty|"
    r"number|integer|finite|parse|such|known|fewer|what|tells|says|line|trial|weights)\b(?![:/=])"
)


def english(node: ast.expr) -> str:
    """A text of the source, with {1}, {2} in the place of values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    values = node.values if isinstance(node, ast.JoinedStr) else []
    made, places = "", 0
    for value in values:
        places += not isinstance(value, ast.Constant)
        made += str(value.value) if isinstance(value, ast.Constant) else f"{{{places}}}"
    return made


def messages() -> Iterator[str]:
    """The texts of errors that people see, and of what is printed."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = ast.unparse(node.func)
                if name.split(".")[-1] in ERRORS or name in ("console.out", "console.err"):
                    text = english(node.args[0]).strip("\n")
                    if re.search(r"[a-z]{3}", re.sub(r"TensorBoard: ", "", text)):
                        yield text
                if name in ("console.bar", "console.passing"):
                    yield from filter(None, [english(node.args[1])])


def texts_within() -> Iterator[str]:
    """The texts of several words in modules that speak."""
    for path in (path for pattern in SPEAKING for path in ROOT.glob(pattern)):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        about = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        parts = {id(p) for node in nodes if isinstance(node, ast.JoinedStr) for p in node.values}
        for node in nodes:
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in about | parts:
                text = english(node).strip("\n")
                shown = re.sub(r"\{\w*\}", "#", text)
                several = len(re.findall(r"[A-Za-z]?[a-z]+", shown)) > 1 and " " in shown
                if several and shown not in SILENT and not QUERY.search(text):
                    yield text


@pytest.mark.parametrize("lang", OTHERS)
def test_every_message_of_a_command_is_translated(lang: str) -> None:
    known = LANGUAGES[lang].phrases
    spaces = [yaml.safe_load(path.read_text(encoding="utf-8"))["about"] for path in SPACES]
    lacking = set()
    for text in (*messages(), *spaces, *texts_within()):
        shown = re.sub(r"\{\w*\}", "#", text)
        said = LANGUAGES[lang].said(shown)
        if f"message.{text}" not in known and (said == shown or ENGLISH.search(said)):
            lacking.add(text)
    assert not lacking, f"{lang}.yaml has no translation of {sorted(lacking)}"


@pytest.mark.parametrize("lang", OTHERS)
def test_translated_messages_are_in_the_source_and_keep_their_values(lang: str) -> None:
    words = "\0".join(path.read_text(encoding="utf-8") for path in (*SOURCES, *SPACES))
    joined = re.sub(r'"\s*\n\s*f?"', "", words)
    for key, phrase in LANGUAGES[lang].phrases.items():
        if not key.startswith("message."):
            continue
        text = key.removeprefix("message.")
        assert sorted(re.findall(r"{\d}", text)) == sorted(set(re.findall(r"{\d}", phrase))), key
        if text not in OF_OPTUNA | OF_OTHERS:
            for part in re.split(r"{\d}|\n|; |[\"']", text):
                assert part in joined or part in words, f"{key}: {part!r} is nowhere in the source"


@pytest.mark.parametrize("lang", OTHERS)
def test_each_setting_says_what_is_wrong_with_a_value_in_that_language(lang: str) -> None:
    modules = commands, judgement, source, study, training
    groups = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Settings)
    }
    wrong = ("-1e99", "1e99", "x", "", "nan", "1.5", "-1", ",", "9" * 5000)
    refused = 0
    for group in groups - {training.Resolved}:  # which nobody gives
        for name in group.model_fields:
            for value in wrong if name != "images" else ():  # which are several
                try:
                    group.parse({name: value})
                except ConfigError as error:
                    refused += 1
                    said = LANGUAGES[lang].said(str(error))
                    assert not ENGLISH.search(said), f"{group.__name__}.{name}={value!r}: {said}"
    assert refused > 500


@pytest.mark.parametrize(
    ("said", "spanish"),
    [
        (
            "nothing is recorded in sqlite:///x.db yet; run train, ablation or init first",
            "todavía no hay nada registrado en sqlite:///x.db; ejecute antes train, ablation o "
            "init",
        ),
        (
            "there is no suite 'relu' (did you mean 'gelu'?); there are a, b",
            "no hay suite 'relu' (¿quiso decir 'gelu'?); hay a, b",
        ),
        (
            "a: 3 of 9 images cannot be used, more than a tenth; repair or remove them"
            "\n  x/y.png: empty file\n  z.png: damaged: odd",
            "a: 3 de 9 imágenes no se pueden usar, más de una décima parte; repárelas o "
            "quítelas\n  x/y.png: archivo vacío\n  z.png: dañado: odd",
        ),
        (
            "space f.yaml, line 3: lr: a range: 'lo' is unknown; did you mean low? (known: low)",
            "espacio f.yaml, línea 3: lr: un rango: 'lo' no existe; ¿quiso decir low? (hay: low)",
        ),
        (
            "suite f.yaml, line 2: recipe 'x': there is none of this name; it should be one of a, "
            "or a YAML file of settings (see docs/studies.md)",
            "suite f.yaml, línea 2: receta 'x': no hay ninguno con ese nombre; debería ser uno de "
            "a, o un archivo YAML de ajustes (vea docs/studies.md)",
        ),
        (
            "--lr: should be less than or equal to 1000; '1e9' was given\n"
            "--data: should not be empty; '' was given",
            "--lr: debería ser menor o igual que 1000; se dio '1e9'\n"
            "--data: no debería estar vacío; se dio ''",
        ),
        (
            "Note: x: a.png: HEIC, which is not read: convert it to JPEG or PNG; the package "
            "pillow-heif can read it; b.png: empty file",
            "Nota: x: a.png: HEIC, que no se lee: conviértalo a JPEG o PNG; el paquete "
            "pillow-heif puede leerlo; b.png: archivo vacío",
        ),
        ("what nobody has translated: a", "what nobody has translated: a"),
    ],
)
def test_a_message_is_translated_with_its_values_and_the_reasons_within(
    said: str, spanish: str
) -> None:
    assert LANGUAGES["es"].said(said) == spanish
    assert LANGUAGES["en"].said(said) == said


def test_documents_for_programs_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console._language, "said", LANGUAGES["es"].said)
    console.out("empty file")
    console.out("empty file", as_it_is=True)
    assert capsys.readouterr().out == "archivo vacío\nempty file\n"
