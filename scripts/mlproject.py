"""Write MLproject from the commands: `python -m scripts.mlproject` after changing a setting.

Names, defaults and help texts come from `mlp.settings`; a test holds MLproject to
what is made here.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from mlp.settings.base import Settings, field_choices, field_help, field_text
from mlp.settings.commands import ExecutorConfig, RecipeChoice, SearchConfig, SuiteChoice
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.ablation import ablation
from scripts.audit import audit
from scripts.command import SettingsCommand, is_positional
from scripts.evaluate import evaluate
from scripts.init import init
from scripts.predict import predict
from scripts.register import register
from scripts.report import report
from scripts.search import search
from scripts.study import study
from scripts.train import train

_ROOT = Path(__file__).resolve().parents[1]
# MLflow wants a project for each kind of environment
ENVIRONMENTS = {
    _ROOT / "MLproject": ["conda_env: conda.yaml"],
    _ROOT / "kubernetes" / "MLproject": ["docker_env:", "  image: mlp:0.1.0"],
}

# `mlflow run` has an option of its own for it, and makes the run before the project starts
_LEFT_OUT = {"experiment_name"}


def mlproject(*environment: str) -> str:
    """The text of MLproject, with the lines that say in which environment commands run."""
    lines = [
        "# Written by `python -m scripts.mlproject` from mlp/settings.",
        "name: mlp",
        *environment,
        "",
        "entry_points:",
        "  main: &train",
        "    parameters: &training",
        *_parameters(RecipeChoice, RunConfig, TrackingConfig, ExecutorConfig),
        *_command("scripts.train", train),
        "  train: *train",
        "  ablation:",
        "    parameters: &study",
        "      <<: *training",
        *_parameters(StudyConfig),
        *_parameters(ReportConfig),
        *_command("scripts.ablation", ablation),
        "  init:",
        "    parameters: *study",
        *_command("scripts.init", init),
        "  study:",
        "    parameters:",
        *_parameters(SuiteChoice),
        "      <<: *study",
        *_command("scripts.study", study),
        "  search:",
        "    parameters:",
        *_parameters(SearchConfig),
        "      <<: *training",
        *_parameters(ReportConfig),
        *_command("scripts.search", search),
    ]
    for made in (report, audit, register, predict, evaluate):
        lines += [f"  {made.name}:", "    parameters:", *_parameters(*made.groups)]
        lines += _command(f"scripts.{made.name}", made)
    return "\n".join(lines) + "\n"


def _parameters(*groups: type[Settings]) -> list[str]:
    lines = []
    for group in groups:
        for name, field in group.model_fields.items():
            if name in _LEFT_OUT:
                continue
            kind = "float" if field.annotation in (int, float) else "string"
            default = json.dumps(field_text(field.default))
            choices = field_choices(group, name)
            lines += textwrap.wrap(
                field_help(group, name) + f" ({', '.join(choices)})" * bool(choices),
                100,
                initial_indent=" " * 6 + "# ",
                subsequent_indent=" " * 6 + "# ",
            )
            lines.append(f"      {name}: {{type: {kind}, default: {default}}}")
    return lines


def _command(module: str, command: SettingsCommand) -> list[str]:
    fields = [(g, n) for g in command.groups for n in g.model_fields if n not in _LEFT_OUT]
    named = [name for group, name in fields if not is_positional(group, name)]
    options = " ".join(f"--{name.replace('_', '-')} {{{name}}}" for name in named)
    options += "".join(f" {{{name}}}" for group, name in fields if is_positional(group, name))
    wrapped = textwrap.wrap(f"python -m {module} {options}", 94, break_on_hyphens=False)
    return ["    command: >-", *(f"      {line}" for line in wrapped)]


if __name__ == "__main__":
    for path, environment in ENVIRONMENTS.items():
        path.write_text(mlproject(*environment), encoding="utf-8", newline="\n")
