"""Suites: lists of arms to be compared, in YAML files of the project and of its users."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from mlp.errors import SettingsError
from mlp.escaping import brief
from mlp.languages import LANGUAGES
from mlp.settings.base import field_text
from mlp.settings.recipes import find_recipe
from mlp.settings.training import RunConfig
from mlp.settings.yaml_file import SettingsFile, find_file, shipped
from mlp.study.arm import Arm

_FOLDER = Path(__file__).with_name("suites")
_KEYS = ("question", "recipe", "base", "arms", "factors")
_ARM_KEYS = ("name", "changes", "about")
# Names become folders, on Windows as well
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._=-]{0,78}[A-Za-z0-9_=-])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MOST_ARMS = 200


@dataclass(frozen=True)
class Suite:
    """Arms to be compared; the first one is what the others are compared with.

    `base` has settings of the base configuration that the question needs.
    """

    name: str
    question: str
    arms: tuple[Arm, ...]
    base: Mapping[str, Any] = field(default_factory=dict)


TRAINING = Suite("training", "How good is it?", (Arm("model", {}, "the configuration as given"),))


def suite_names() -> tuple[str, ...]:
    """The suites that come with the project."""
    return tuple(shipped(_FOLDER))


def find_suite(name: str) -> Suite:
    """A suite by its name, or from a YAML file. Raises SettingsError where there is none."""
    return TRAINING if name == TRAINING.name else read_suite(find_file("suite", name, _FOLDER))


def as_suite(given: str | os.PathLike[str] | Mapping[str, Any] | Suite) -> Suite:
    """A suite by its name, from a YAML file, from what would stand in one, or made by hand.

    Raises SettingsError where it is none.
    """
    if isinstance(given, str | os.PathLike):
        return find_suite(os.fspath(given))
    if isinstance(given, Suite):
        arms = [{k: v for k, v in vars(arm).items() if k != "about" or v} for arm in given.arms]
        contents = {"question": given.question, "base": given.base, "arms": arms}
        return replace(_given(given.name, contents), name=given.name)
    return _given("own", {"question": "Which of these arms helps?", **given})


def _given(name: str, contents: Mapping[str, Any]) -> Suite:
    return _SuiteFile(Path(name), "suite", "", contents).suite()


def listing(lang: str = "en") -> str:
    """Every suite with its question and its arms, for a terminal."""
    lines, words = [], LANGUAGES[lang].phrases
    for suite in map(find_suite, suite_names()):
        lines.append(f"{suite.name}: {words.get(f'question.{suite.name}', suite.question)}")
        width = max(len(arm.name) for arm in suite.arms)
        for arm in suite.arms:
            lines.append(f"  {arm.name:<{width}}  {words.get(f'about.{arm.name}', arm.about)}")
    return "\n".join(lines)


def read_suite(path: Path) -> Suite:
    """Read a suite: `question`, `recipe`, `base`, and either `arms` or `factors`.

    The product of factors makes arms; `base` goes before the settings of `recipe`. Raises
    SettingsError, naming the file and the line, where it is not one.
    """
    return _SuiteFile(path, "suite", "question and arms").suite()


class _SuiteFile(SettingsFile):
    def suite(self) -> Suite:
        parts = self.mapping(self.root, _KEYS, "a suite")
        if ("arms" in parts) == ("factors" in parts):
            self.wrong(self.root, "a suite has either arms, or factors whose product makes them")
        base: dict[str, Any] = {}
        if "recipe" in parts:
            try:
                base |= find_recipe(self.text(parts["recipe"], "recipe"))
            except SettingsError as error:
                self.wrong(parts["recipe"], str(error))
        base |= self.settings(parts["base"]) if "base" in parts else {}
        if "arms" in parts:
            nodes = self.sequence(parts["arms"], "arms")
            self._bound(parts["arms"], len(nodes))
            arms = [self._arm(node) for node in nodes]
        else:
            arms = self._product(parts["factors"])
        names: dict[str, str] = {}
        for arm, node in arms:
            # On Windows and macOS, a folder of the one name would be that of the other
            other = names.get(arm.name.casefold())
            if other == arm.name:
                self.wrong(node, f"there are two arms of the name {other!r}")
            if other is not None:
                self.wrong(node, f"arms {other!r} and {arm.name!r} differ in case only")
            names[arm.name.casefold()] = arm.name
        asked = self.text(parts["question"], "question") if "question" in parts else ""
        question = asked or f"What does {self.path.stem} change?"
        return Suite(self.path.stem, question, tuple(arm for arm, _ in arms), base)

    def _arm(self, node: yaml.Node) -> tuple[Arm, yaml.Node]:
        parts = self.mapping(node, _ARM_KEYS, "an arm")
        if "name" not in parts:
            self.wrong(node, "an arm needs a name")
        name = self.text(parts["name"], "name")
        if not _NAME.fullmatch(name):
            self.wrong(
                parts["name"],
                "a name has up to 80 letters, digits and ._=-, begins with a letter or digit and "
                f"ends with no dot; {brief(name)} was given",
            )
        if _RESERVED.fullmatch(name):
            self.wrong(parts["name"], f"{name!r} is the name of a device on Windows")
        changes = self.settings(parts["changes"]) if "changes" in parts else {}
        about = self.text(parts["about"], "about") if "about" in parts else _listed(changes)
        return Arm(name, changes, about), node

    def _product(self, node: yaml.Node) -> list[tuple[Arm, yaml.Node]]:
        factors = self.mapping(node, tuple(RunConfig.model_fields), "factors")
        if not factors:
            self.wrong(node, "factors should name settings, each with a list of values")
        lists = {name: self.sequence(values, name) for name, values in factors.items()}
        self._bound(node, math.prod(map(len, lists.values())))
        levels = [[(name, self.value(name, v)) for v in nodes] for name, nodes in lists.items()]
        arms = []
        for combination in itertools.product(*levels):
            changes = dict(combination)
            name = "_".join(f"{k}={field_text(v)}" for k, v in changes.items())
            name = re.sub(r"[^A-Za-z0-9._=-]", "x", name)[:80].rstrip(".")
            arms.append((Arm(name, changes, _listed(changes)), node))
        return arms

    def _bound(self, node: yaml.Node, arms: int) -> None:
        if arms > _MOST_ARMS:
            self.wrong(node, f"{arms} arms; a suite has at most {_MOST_ARMS}")


def _listed(changes: dict[str, Any]) -> str:
    return ", ".join(f"{k} {field_text(v)}" for k, v in changes.items()) or "the base configuration"
