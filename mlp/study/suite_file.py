"""Suites as YAML files, checked line by line."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mlp.config import STUDY_WIDE, RunConfig
from mlp.settings import ConfigError, SettingsError, did_you_mean, field_text
from mlp.study.suite import Arm, Suite

_KEYS = ("question", "base", "arms", "factors")
_ARM_KEYS = ("name", "changes", "about")
# Names become folders, on Windows as well
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,79}")
_MOST_ARMS = 200


def read_suite(path: Path) -> Suite:
    """Read a suite: `question`, `base`, and either `arms` or `factors`, whose product makes arms.

    Raises SettingsError, naming the file and the line, where it is not one.
    """
    return _Reader(path).suite()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except OSError as error:
            raise SettingsError(f"suite {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"suite {path} cannot be read: it is not UTF-8 text") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f", line {mark.line + 1}" if mark else ""
            raise SettingsError(f"suite {path}{line}: no YAML: {error.problem}") from None
        except yaml.YAMLError as error:
            raise SettingsError(f"suite {path}: no YAML: {error}") from None
        if root is None:
            raise SettingsError(f"suite {path} is empty; it should have question and arms")
        self.root: yaml.Node = root

    def suite(self) -> Suite:
        parts = self._mapping(self.root, _KEYS, "a suite")
        if ("arms" in parts) == ("factors" in parts):
            self._wrong(self.root, "a suite has either arms, or factors whose product makes them")
        base = self._settings(parts["base"]) if "base" in parts else {}
        if "arms" in parts:
            arms = [self._arm(node) for node in self._sequence(parts["arms"], "arms")]
        else:
            arms = self._product(parts["factors"])
        names: dict[str, yaml.Node] = {}
        for arm, node in arms:
            if arm.name in names:
                self._wrong(node, f"there are two arms of the name {arm.name!r}")
            names[arm.name] = node
        question = f"What does {self.path.stem} change?"
        if "question" in parts:
            question = self._text(parts["question"], "question")
        return Suite(self.path.stem, question, tuple(arm for arm, _ in arms), base)

    def _arm(self, node: yaml.Node) -> tuple[Arm, yaml.Node]:
        parts = self._mapping(node, _ARM_KEYS, "an arm")
        if "name" not in parts:
            self._wrong(node, "an arm needs a name")
        name = self._text(parts["name"], "name")
        if not _NAME.fullmatch(name):
            self._wrong(
                parts["name"],
                f"a name has up to 80 letters, digits and ._=- and begins with a letter or digit; "
                f"{name!r} was given",
            )
        changes = self._settings(parts["changes"]) if "changes" in parts else {}
        about = self._text(parts["about"], "about") if "about" in parts else _listed(changes)
        return Arm(name, changes, about), node

    def _product(self, node: yaml.Node) -> list[tuple[Arm, yaml.Node]]:
        factors = self._mapping(node, tuple(RunConfig.model_fields), "factors")
        if not factors:
            self._wrong(node, "factors should name settings, each with a list of values")
        levels = []
        for name, values in factors.items():
            nodes = self._sequence(values, name)
            levels.append([(name, self._value(name, value)) for value in nodes])
        arms = []
        for combination in itertools.product(*levels):
            changes = dict(combination)
            name = "_".join(f"{k}={field_text(v)}" for k, v in changes.items())
            name = re.sub(r"[^A-Za-z0-9._=-]", "x", name)[:80]
            arms.append((Arm(name, changes, _listed(changes)), node))
        if len(arms) > _MOST_ARMS:
            self._wrong(node, f"{len(arms)} arms; a suite has at most {_MOST_ARMS}")
        return arms

    def _settings(self, node: yaml.Node) -> dict[str, Any]:
        parts = self._mapping(node, tuple(RunConfig.model_fields), "settings")
        return {name: self._value(name, value) for name, value in parts.items()}

    def _value(self, name: str, node: yaml.Node) -> Any:
        """The value of a setting, as RunConfig takes it."""
        if name in STUDY_WIDE:
            self._wrong(node, f"{name} is the same for all arms of a study: give it as an option")
        given = yaml.SafeLoader("").construct_object(node, deep=True)
        try:
            return getattr(RunConfig().changed({name: given}), name)
        except ConfigError as error:
            self._wrong(node, str(error))

    def _mapping(self, node: yaml.Node, keys: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, f"{what} should be names and values, such as {keys[0]}: ...")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.value not in keys:
                known = f"{did_you_mean(str(key.value), keys)}(known: {', '.join(keys)})"
                self._wrong(key, f"{what}: {key.value!r} is unknown; {known}")
            if key.value in found:
                self._wrong(key, f"{key.value} is there twice")
            found[key.value] = value
        return found

    def _sequence(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self._wrong(node, f"{what} should be a list with at least one entry")
        return list(node.value)

    def _text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self._wrong(node, f"{what} should be a text")
        return str(node.value)

    def _wrong(self, node: yaml.Node, text: str) -> NoReturn:
        raise SettingsError(f"suite {self.path}, line {node.start_mark.line + 1}: {text}")


def _listed(changes: dict[str, Any]) -> str:
    return ", ".join(f"{k} {field_text(v)}" for k, v in changes.items()) or "the base configuration"
