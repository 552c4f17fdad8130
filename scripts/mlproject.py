"""Write MLproject and docs/settings.md: `python -m scripts.mlproject` after changing a setting.

Names, defaults and help texts come from `mlp.settings`; tests hold both files to what is made here.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from mlp.settings.base import Settings, field_choices, field_help, field_text
from mlp.tables import named
from scripts.command import SettingsCommand, is_positional, option_name

_ROOT = Path(__file__).resolve().parents[1]
# MLflow wants a project for each kind of environment
ENVIRONMENTS = {
    _ROOT / "MLproject": "conda_env: conda.yaml",
    _ROOT / "kubernetes" / "MLproject": "docker_env:\n  image: mlp:0.1.0",
}
SETTINGS_PAGE = _ROOT / "docs" / "settings.md"
_NAMES = "train ablation init study search report audit register predict evaluate judge"
COMMANDS: dict[str, SettingsCommand] = {
    name: named(f"scripts.{name}:{name}") for name in _NAMES.split()
}
_PAGE = """# Settings

Written by `python -m scripts.mlproject` from [mlp/settings](../mlp/settings).

Every option can be given to a command (`python -m scripts.train --batch-size 64`) or to MLflow
(`mlflow run . -P batch_size=64`). Options you give override a recipe and a suite. A switch is given
alone (`--strict`), with `no` (`--no-strict`), or with a value (`--strict true`, `-P strict=true`).
`mlflow run` has an option `--experiment-name` of its own.
"""

# `mlflow run` has an option of its own for it, and makes the run before the project starts
_LEFT_OUT = "experiment_name"


def mlproject(environment: str = "") -> str:
    """The text of MLproject, where `environment` is the line that says in which commands run."""
    lines = ["# Written by `python -m scripts.mlproject` from mlp/settings.", "name: mlp"]
    lines += [environment, "", "entry_points:"]
    written: set[type[Settings]] = set()
    for entry, command in COMMANDS.items():
        lines += [f"  {entry}:{' &train' * (entry == 'train')}", "    parameters:", "      <<:"]
        words = []
        for group in command.groups:
            names = [name for name in group.model_fields if name != _LEFT_OUT]
            lines.append(f"        - {'*' if group in written else '&'}{group.__name__}")
            if group not in written:
                lines += [line for name in names for line in _parameter(group, name)]
            written.add(group)
            for name in names:
                option = "" if is_positional(group, name) else f"{option_name(name)} "
                words.append(f"{option}{{{name}}}")
        typed = " ".join(
            [f"python -m scripts.{entry}", *sorted(words, key=lambda word: word[0] == "{")]
        )
        wrapped = textwrap.wrap(typed, 94, break_on_hyphens=False)
        lines += ["    command: >-", *(f"      {line}" for line in wrapped)]
    return "\n".join([*lines, "  main: *train", ""])


def _parameter(group: type[Settings], name: str) -> list[str]:
    field, choices = group.model_fields[name], field_choices(group, name)
    kind = "float" if field.annotation in (int, float) else "string"
    text = field_help(group, name) + f" ({', '.join(choices)})" * bool(choices)
    mark = " " * 10 + "# "
    return [
        *textwrap.wrap(text, 100, initial_indent=mark, subsequent_indent=mark),
        f"          {name}: {{type: {kind}, default: {json.dumps(field_text(field.default))}}}",
    ]


def settings_page() -> str:
    """The text of docs/settings.md: a table of options for each class of settings."""
    owners = {
        owner: [name for name in group.model_fields if name in owner.__annotations__]
        for command in COMMANDS.values()
        for group in command.groups
        for owner in reversed(group.__mro__)
        if issubclass(owner, Settings) and owner.__annotations__.keys() & owner.model_fields.keys()
    }
    lines = [_PAGE]
    for owner, names in owners.items():
        takers = [n for n, c in COMMANDS.items() if any(issubclass(g, owner) for g in c.groups)]
        title = (owner.__doc__ or "").split(".")[0]
        lines += [f"## {title}", "", f"Options of `{'`, `'.join(takers)}`.", ""]
        lines += ["| option | values | default | meaning |", "| --- | --- | --- | --- |"]
        for name in names:
            option = name.upper() if is_positional(owner, name) else option_name(name)
            field = owner.model_fields[name]
            default = f"`{field_text(field.default)}`".replace("``", "")
            lines.append(
                f"| `{option}` | {_values(owner, name)} | {default} | {field_help(owner, name)} |"
            )
        lines.append("")
    return "\n".join(lines)


def _values(group: type[Settings], name: str) -> str:
    """The values that a field accepts, in words."""
    schema = group.model_json_schema()["properties"][name]
    if "expected" in schema:
        return str(schema["expected"])
    if choices := field_choices(group, name):
        return ", ".join(f"`{choice}`" for choice in choices)
    kind = {"boolean": "`true`, `false`", "integer": "whole number", "number": "number"}
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:,.10g}" for key, sign in limits.items() if key in schema]
    return f"{kind.get(schema.get('type', ''), 'text')} {', '.join(bounds)}".strip()


if __name__ == "__main__":
    SETTINGS_PAGE.write_text(settings_page(), encoding="utf-8", newline="\n")
    for path, environment in ENVIRONMENTS.items():
        path.write_text(mlproject(environment), encoding="utf-8", newline="\n")
