"""Commands speak each language: every message that they may print has a translation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlp.languages import LANGUAGES

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("mlp/**/*.py"), *ROOT.glob("scripts/**/*.py")]
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
OTHERS = sorted(set(LANGUAGES) - {"en"})


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


@pytest.mark.parametrize("lang", OTHERS)
def test_every_message_of_a_command_is_translated(lang: str) -> None:
    known = LANGUAGES[lang].phrases
    lacking = sorted({text for text in messages() if f"message.{text}" not in known})
    assert not lacking, f"{lang}.yaml has no translation of {lacking}"


@pytest.mark.parametrize("lang", OTHERS)
def test_translated_messages_are_in_the_source_and_keep_their_values(lang: str) -> None:
    words = "\0".join(path.read_text(encoding="utf-8") for path in SOURCES)
    joined = re.sub(r'"\s*\n\s*f?"', "", words)
    for key, phrase in LANGUAGES[lang].phrases.items():
        if not key.startswith("message."):
            continue
        text = key.removeprefix("message.")
        assert sorted(re.findall(r"{\d}", text)) == sorted(set(re.findall(r"{\d}", phrase))), key
        if text not in OF_OPTUNA:
            for part in re.split(r"{\d}|\n|; |[\"']", text):
                assert part in joined or part in words, f"{key}: {part!r} is nowhere in the source"


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
        ("what nobody has translated: a", "what nobody has translated: a"),
    ],
)
def test_a_message_is_translated_with_its_values_and_the_reasons_within(
    said: str, spanish: str
) -> None:
    assert LANGUAGES["es"].said(said) == spanish
    assert LANGUAGES["en"].said(said) == said
