"""YAML files of settings, checked line by line.

Values are texts, read as they would be if they were typed on a command line. So 010 is ten, a date
is no date and no tag makes an object. What a file can cost is bounded before it is read: its size,
its depth, and what it comes to once its anchors are followed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mlp.errors import SettingsError
from mlp.escaping import brief
from mlp.settings.base import ConfigError, did_you_mean
from mlp.settings.own_network import own_setting
from mlp.settings.roles import shared
from mlp.settings.training import RunConfig

_MOST_BYTES = 2**18
_MOST_DEPTH = 20
_MOST_NODES = 10_000  # names, values, lists: 200 arms that change 20 settings have 9,000
_TOO_DEEP = f"more than {_MOST_DEPTH} levels deep"
_EMPTY = "tag:yaml.org,2002:null"
_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "timestamp", "merge", "value", "seq", "map", "null")
}


@cache
def shipped(folder: Path) -> Mapping[str, Path]:
    """The files of settings in a folder that comes with the project, by name."""
    return {path.stem: path for path in sorted(folder.iterdir())}


def find_file(kind: str, name: str, folder: Path, content: str = "") -> Path:
    """The file of a name: one of those shipped in `folder`, or a YAML file of the user.

    Raises SettingsError where there is none. `kind` and `content` say what it should be.
    """
    known = shipped(folder)
    if name in known:
        return known[name]
    if name.lower().endswith((".yaml", ".yml")):
        return Path(os.path.expanduser(name))  # noqa: PTH111 (may name no user)
    raise SettingsError(
        f"{kind} {brief(name)}: there is none of this name; {did_you_mean(name, known)}"
        f"it should be one of {', '.join(known)}, or a YAML file{content} (see docs/studies.md)"
    )


def text_of(path: Path) -> str:
    """The text of a file. Raises OSError or ValueError, which say why it is none."""
    # Opening a pipe waits for whoever writes into it, and a device may never end
    if path.exists() and not path.is_file():
        raise ValueError("it is a folder" if path.is_dir() else "it is a pipe or a device")
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES // 2**10} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


class SettingsFile:
    """A YAML file that names settings; every complaint names the file and the line."""

    def __init__(
        self, path: Path, kind: str, content: str, given: Mapping[str, Any] | None = None
    ) -> None:
        """`kind` is what the file should be, `content` what it should have.

        `given`: what would stand in the file, where there is none.
        Raises SettingsError where it cannot be read, is no YAML, or is empty.
        """
        self.path, self.kind = path, kind
        self.root = self._read(content) if given is None else self._written(given)
        self._count = 0
        self._check(self.root, ())

    def _written(self, given: Mapping[str, Any]) -> yaml.Node:
        try:
            return yaml.representer.SafeRepresenter(sort_keys=False).represent_data(dict(given))
        except yaml.representer.RepresenterError as error:
            raise SettingsError(
                f"{self.kind} {self.path}: {error.args[0]}: {error.args[1]!r}"
            ) from None

    def _read(self, content: str) -> yaml.Node:
        path, kind = self.path, self.kind
        try:
            text = text_of(path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingsError(f"{kind} {path} cannot be read: {reason}") from None
        try:
            loader = yaml.SafeLoader(text)
            root = loader.get_single_node()
        except RecursionError:
            line = f", line {loader.line + 1}"
            raise SettingsError(f"{kind} {path}{line}: {_TOO_DEEP}") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f", line {mark.line + 1}" if mark else ""
            said = ", ".join(part for part in (error.context, error.problem) if part)
            raise SettingsError(f"{kind} {path}{line}: no YAML: {said}") from None
        except yaml.reader.ReaderError as error:
            line = f", line {text.count(chr(10), 0, error.position) + 1}"
            said = f"the character U+{error.character:04X} is not allowed"
            raise SettingsError(f"{kind} {path}{line}: no YAML: {said}") from None
        except (yaml.YAMLError, ValueError) as error:
            raise SettingsError(f"{kind} {path}: no YAML: {error}") from None
        if root is None:
            raise SettingsError(f"{kind} {path} is empty; it should have {content}")
        return root

    def _check(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> None:
        """Refuse foreign tags, and what comes to too much once its anchors are followed."""
        self._count += 1
        if node in above:
            self.wrong(node, "an anchor that contains itself")
        if len(above) >= _MOST_DEPTH:
            self.wrong(node, _TOO_DEEP)
        if self._count > _MOST_NODES:
            self.wrong(node, f"more than {_MOST_NODES} names and values, anchors followed")
        if node.tag not in _TAGS:
            self.wrong(node, f"tags such as {brief(node.tag)} are not used here")
        if not isinstance(node, yaml.ScalarNode):
            pairs = isinstance(node, yaml.MappingNode)
            for child in chain.from_iterable(node.value) if pairs else node.value:
                self._check(child, (*above, node))

    def settings(self, node: yaml.Node) -> dict[str, Any]:
        """Fields of RunConfig and their values."""
        parts = self.mapping(node, tuple(RunConfig.model_fields), "settings")
        return {name: self.value(name, value) for name, value in parts.items()}

    def value(self, name: str, node: yaml.Node) -> Any:
        """The value of a setting, as RunConfig takes it."""
        if name in shared(RunConfig):
            self.wrong(node, f"{name} is the same for all arms of a study: give it as an option")
        several = isinstance(node, yaml.SequenceNode)
        given = [self.scalar(entry, name) for entry in (node.value if several else [node])]
        try:
            return RunConfig().changed({name: given if several else given[0]}).value(name)
        except ConfigError as error:
            self.wrong(node, str(error))

    def mapping(self, node: yaml.Node, keys: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
        """Names, of which all are among `keys`, and what stands behind them."""
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what} should be names and values, such as {keys[0]}: ...")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value
            if not isinstance(key, yaml.ScalarNode):
                self.wrong(key, f"{what}: a name should be a text, such as {keys[0]}")
            if name not in keys and not ("network" in keys and own_setting(name)):
                known = f"{did_you_mean(name, keys)}(known: {', '.join(keys)})"
                self.wrong(key, f"{what}: {brief(name)} is unknown; {known}")
            if name in found:
                self.wrong(key, f"{name} is there twice")
            found[name] = value
        return found

    def sequence(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The entries of a list that has some."""
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.wrong(node, f"{what} should be a list with at least one entry")
        return list(node.value)

    def scalar(self, node: yaml.Node, what: str) -> str:
        """One value, as it is written."""
        if node.tag == _EMPTY:
            self.wrong(node, f"{what} has no value")
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(node, f"{what} should be a value, or a list of values")
        text = str(node.value)
        try:
            text.encode()
        except UnicodeEncodeError:  # an escaped half of a pair
            self.wrong(node, f"{what} has a character that is not allowed")
        return text

    def text(self, node: yaml.Node, what: str) -> str:
        """A text that is not empty, as one line."""
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self.wrong(node, f"{what} should be a text")
        return " ".join(self.scalar(node, what).split())

    def wrong(self, node: yaml.Node, text: str) -> NoReturn:
        """Raise SettingsError for what stands at a node."""
        line = f", line {node.start_mark.line + 1}" if node.start_mark else ""
        raise SettingsError(f"{self.kind} {self.path}{line}: {text}")
