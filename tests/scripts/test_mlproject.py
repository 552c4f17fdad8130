"""MLproject, the click options and the settings classes say the same."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from mlflow.projects._project_spec import load_project

from mlp.commands import main
from mlp.commands.command import SettingsCommand, is_positional
from mlp.settings.base import Settings, field_text
from mlp.settings.commands import FormatConfig, RegisterConfig, ReportChoice
from mlp.settings.judgement import JudgeConfig, JudgementConfig
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.mlproject import ENVIRONMENTS, mlproject

PATH = next(iter(ENVIRONMENTS))
COMMANDS = {"main": main.COMMANDS["train"], **main.COMMANDS}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.parent.name)
def test_mlproject_is_what_the_settings_make(path: Path) -> None:
    made = mlproject(ENVIRONMENTS[path])
    assert path.read_text(encoding="utf-8") == made, "run: python -m scripts.mlproject"


def test_mlflow_reads_the_project_for_kubernetes_and_its_job() -> None:
    (folder,) = [p.parent for p in ENVIRONMENTS if p.parent.name == "kubernetes"]
    assert load_project(str(folder)).docker_env == {"image": "mlp:0.1.0"}
    backend = json.loads((folder / "backend.json").read_text())
    job = yaml.safe_load((folder.parent / backend["kube-job-template-path"]).read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert job["kind"] == "Job" and container.keys() >= {"name", "image", "command", "env"}
    assert set(backend) == {"kube-context", "repository-uri", "kube-job-template-path"}


@pytest.mark.parametrize("name", COMMANDS)
def test_mlflow_reads_every_setting_and_passes_it_on(name: str) -> None:
    command = COMMANDS[name]
    entry = load_project(str(PATH.parent)).get_entry_point(name)
    expected = {}
    for group in command.groups:
        expected |= group().as_text()
    # mlflow run has an --experiment-name of its own
    expected.pop("experiment_name", None)
    assert {k: str(p.default) for k, p in entry.parameters.items()} == expected
    typed = {"hidden": "3,4", "seed": "0", "lang": "es", "strict": "true", "pick": "ensemble"}
    typed |= {"images": "new/a b*.jpg", "part": "val"}
    changed = {name: value for name, value in typed.items() if name in expected}
    words = shlex.split(entry.compute_command(changed, None))
    assert words[:3] == ["python", "-m", f"scripts.{'train' if name == 'main' else name}"]
    bare = [n for g in command.groups for n in g.model_fields if is_positional(g, n)]
    given = {name: words.pop() for name in bare}
    options = dict(zip(words[3::2], words[4::2], strict=True))
    given |= {k: options.pop(f"--{k.replace('_', '-')}") for k in expected if k not in bare}
    assert given == expected | changed and changed and not options


@pytest.mark.parametrize("command", COMMANDS.values())
def test_options_are_the_fields_with_their_defaults_and_help(command: SettingsCommand) -> None:
    fields = {n: f for group in command.groups for n, f in group.model_fields.items()}
    assert [parameter.name for parameter in command.params] == list(fields)
    for parameter in command.params:
        field = fields[parameter.name or ""]
        if isinstance(parameter, click.Argument):  # which click gives no help
            assert (parameter.nargs, parameter.required) == (-1, False)
            continue
        text = getattr(parameter, "help", "")
        description = " ".join((field.description or "").split())
        assert description and text.startswith(description)
        default = re.fullmatch(r".*\[default: (.*)\]", text, re.DOTALL)
        assert default and default[1] == field_text(field.default)


@pytest.mark.parametrize(
    "groups",
    [
        (RunConfig, StudyConfig, TrackingConfig, ReportConfig),
        (ReportChoice, ReportConfig),
        (RegisterConfig, ReportConfig),
        (JudgeConfig, JudgementConfig, FormatConfig),
    ],
)
def test_the_groups_share_no_field(groups: tuple[type[Settings], ...]) -> None:
    names = [n for g in groups for n in g.model_fields]
    assert len(names) == len(set(names))
