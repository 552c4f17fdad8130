"""The suites that come with the project, and where others are found."""

from __future__ import annotations

from pathlib import Path

from mlp.settings.yaml_file import own_file
from mlp.study.suite import Arm, Suite
from mlp.study.suite_file import read_suite

TRAINING = Suite("training", "How good is it?", (Arm("model", {}, "the configuration as given"),))
SUITES = {
    path.stem: read_suite(path) for path in sorted(Path(__file__).with_name("suites").iterdir())
}


def find_suite(name: str) -> Suite:
    """A suite by its name, or from a YAML file. Raises SettingsError where there is none."""
    if name in SUITES:
        return SUITES[name]
    if name == TRAINING.name:
        return TRAINING
    return read_suite(own_file("suite", name, SUITES))


def listing() -> str:
    """Every suite with its question and its arms, for a terminal."""
    lines = []
    for suite in SUITES.values():
        lines.append(f"{suite.name}: {suite.question}")
        width = max(len(arm.name) for arm in suite.arms)
        lines += [f"  {arm.name:<{width}}  {arm.about}" for arm in suite.arms]
    return "\n".join(lines)
