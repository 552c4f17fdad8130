"""The suites that come with the project, and where others are found."""

from __future__ import annotations

from pathlib import Path

from mlp.settings import SettingsError, did_you_mean
from mlp.study.suite import Arm, Suite
from mlp.study.suite_file import read_suite

TRAINING = Suite("training", "How good is it?", (Arm("model", {}, "the configuration as given"),))
SUITES = {
    path.stem: read_suite(path) for path in sorted(Path(__file__).with_name("builtin").iterdir())
}


def find_suite(name: str) -> Suite:
    """A suite by its name, or from a YAML file. Raises SettingsError where there is none."""
    if name in SUITES:
        return SUITES[name]
    if name == TRAINING.name:
        return TRAINING
    if name.lower().endswith((".yaml", ".yml")):
        return read_suite(Path(name).expanduser())
    raise SettingsError(
        f"suite {name!r}: there is none of this name; {did_you_mean(name, SUITES)}"
        f"it should be one of {', '.join(SUITES)}, or a YAML file (README.md shows one)"
    )


def listing() -> str:
    """Every suite with its question and its arms, for a terminal."""
    lines = []
    for suite in SUITES.values():
        lines.append(f"{suite.name}: {suite.question}")
        width = max(len(arm.name) for arm in suite.arms)
        lines += [f"  {arm.name:<{width}}  {arm.about}" for arm in suite.arms]
    return "\n".join(lines)
