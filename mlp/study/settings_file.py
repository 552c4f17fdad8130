"""YAML files of settings, checked line by line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mlp.config import STUDY_WIDE, RunConfig
from mlp.settings import ConfigError, SettingsError, did_you_mean


def own_file(kind: str, name: str, known: Iterable[str], content: str = "") -> Path:
    """The file that a name which is not among the known ones means: a YAML file of the user's.

    Raises SettingsError where it does not name one. `kind` and `content` say what it should be.
    """
    if name.lower().endswith((".yaml", ".yml")):
        return Path(name).expanduser()
    known = list(known)
    raise SettingsError(
        f"{kind} {name!r}: there is none of this name; {did_you_mean(name, known)}"
        f"it should be one of {', '.join(known)}, or a YAML file{content} (README.md shows one)"
    )


class SettingsFile:
    """A YAML file that names settings; every complaint names the file and the line."""

    def __init__(self, path: Path, kind: str, content: str) -> None:
        """`kind` is what the file should be, `content` what it should have.

        Raises SettingsError where it cannot be read, is no YAML, or is empty.
        """
        self.path, self.kind = path, kind
        try:
            root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except OSError as error:
            raise SettingsError(f"{kind} {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{kind} {path} cannot be read: it is not UTF-8 text") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f", line {mark.line + 1}" if mark else ""
            raise SettingsError(f"{kind} {path}{line}: no YAML: {error.problem}") from None
        except yaml.YAMLError as error:
            raise SettingsError(f"{kind} {path}: no YAML: {error}") from None
        if root is None:
            raise SettingsError(f"{kind} {path} is empty; it should have {content}")
        self.root: yaml.Node = root

    def settings(self, node: yaml.Node) -> dict[str, Any]:
        """Fields of RunConfig and their values."""
        parts = self.mapping(node, tuple(RunConfig.model_fields), "settings")
        return {name: self.value(name, value) for name, value in parts.items()}

    def value(self, name: str, node: yaml.Node) -> Any:
        """The value of a setting, as RunConfig takes it."""
        if name in STUDY_WIDE:
            self.wrong(node, f"{name} is the same for all arms of a study: give it as an option")
        given = yaml.SafeLoader("").construct_object(node, deep=True)
        try:
            return getattr(RunConfig().changed({name: given}), name)
        except ConfigError as error:
            self.wrong(node, str(error))

    def mapping(self, node: yaml.Node, keys: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
        """Names, of which all are among `keys`, and what stands behind them."""
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what} should be names and values, such as {keys[0]}: ...")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.value not in keys:
                known = f"{did_you_mean(str(key.value), keys)}(known: {', '.join(keys)})"
                self.wrong(key, f"{what}: {key.value!r} is unknown; {known}")
            if key.value in found:
                self.wrong(key, f"{key.value} is there twice")
            found[key.value] = value
        return found

    def sequence(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The entries of a list that has some."""
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.wrong(node, f"{what} should be a list with at least one entry")
        return list(node.value)

    def text(self, node: yaml.Node, what: str) -> str:
        """A text that is not empty."""
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self.wrong(node, f"{what} should be a text")
        return str(node.value)

    def wrong(self, node: yaml.Node, text: str) -> NoReturn:
        """Raise SettingsError for what stands at a node."""
        raise SettingsError(f"{self.kind} {self.path}, line {node.start_mark.line + 1}: {text}")
