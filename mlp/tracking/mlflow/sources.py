"""Places where a run says its arm, pair or data set: a parameter, a tag, its name, its data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlflow.entities import Run

from mlp.errors import SettingsError

_PARTS = re.compile(r",\s*(?=(?:params|tags)\.|(?:name|data)(?:,|$))")


@dataclass(frozen=True)
class Source:
    """A label of runs. `kind` and `key`: params and the name of a parameter, for example."""

    kind: str
    key: str
    of: Callable[[Run], str | None]


def sources(setting: str, text: str) -> list[Source]:
    """The sources that a setting names, such as `params.lr,tags.model`. Raises SettingsError."""
    if text.startswith("name:"):
        return [_pattern(setting, text.removeprefix("name:"))]
    return [_source(setting, part.strip()) for part in _PARTS.split(text)]


def _source(setting: str, part: str) -> Source:
    kind, _, key = part.partition(".")
    key = key.strip("`\"'")
    if kind == "params" and key:
        return Source(kind, key, lambda run: run.data.params.get(key))
    if kind == "tags" and key:
        return Source(kind, key, lambda run: run.data.tags.get(key))
    if part == "name":
        return Source(part, "", lambda run: run.info.run_name)
    if part == "data":
        return Source(part, "", _data)
    raise SettingsError(
        f"{setting}: give params.NAME, tags.NAME, name, name:PATTERN or data, or several of them "
        f"with commas, such as params.{part or 'lr'}; {part!r} was given"
    )


def _data(run: Run) -> str | None:
    """The data sets that a run has logged."""
    names = [given.dataset.name for given in run.inputs.dataset_inputs] if run.inputs else []
    return ", ".join(sorted(set(names))) or None


def _pattern(setting: str, text: str) -> Source:
    try:
        pattern = re.compile(text)
    except re.error as error:
        said = f"{setting}: {text!r} is no regular expression: {error}"
        raise SettingsError(said) from None
    if not pattern.groups:
        raise SettingsError(
            f"{setting}: the pattern needs a group for what it is to find, such as "
            f"name:(.*)-seed.*; {text!r} was given"
        )

    def found(run: Run) -> str | None:
        match = pattern.search(run.info.run_name or "")
        groups = [group for group in match.groups() if group is not None] if match else []
        return ", ".join(groups) or None

    return Source("name", "", found)


def label(chosen: Sequence[Source], run: Run) -> tuple[str, ...] | None:
    """The label of a run, one part a source; None where it lacks one of them."""
    parts = tuple(source.of(run) for source in chosen)
    return None if None in parts else tuple(map(str, parts))


def in_words(chosen: Sequence[Source], label: Sequence[str]) -> str:
    """A label as a name: `adam`, or `optimizer=adam, lr=0.1`."""
    if len(label) == 1:
        return label[0]
    named = zip(chosen, label, strict=True)
    return ", ".join(f"{s.key}={part}" if s.key else part for s, part in named)
