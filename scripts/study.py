"""Run any suite: `python -m scripts.study --suite activation --data FOLDER`."""

from typing import Any

from mlp import console
from mlp.settings.commands import SuiteChoice
from scripts.command import command
from scripts.launch import STUDY, launch


@command(SuiteChoice, *STUDY)
def study(choice: SuiteChoice, *settings: Any) -> None:
    """Train every arm of a suite: one that comes with the project, or your own in a YAML file.

    The other options make the base configuration. Options you give override the suite's own base
    settings.
    """
    if choice.list:
        from mlp.study.suite import listing

        console.out(listing())
        return
    launch(choice.suite, *settings)


if __name__ == "__main__":
    study()
