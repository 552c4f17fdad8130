"""Compare the arms of a suite."""

from typing import Any

from mlp.commands.command import Answer, command
from mlp.commands.launch import STUDY, launch
from mlp.settings.commands import SuiteChoice


@command(SuiteChoice, *STUDY)
def compare(choice: SuiteChoice, *settings: Any) -> Answer:
    """Train every arm of a suite: one that comes with the project, or your own in a YAML file.

    The other options make the base configuration. Options you give override the suite's own base
    settings.
    """
    if choice.list:
        from mlp.evidence.document import document
        from mlp.study.suite import find_suite, listing, suite_names

        suites = {s.name: [arm.name for arm in s.arms] for s in map(find_suite, suite_names())}
        *_, reported, _ = settings
        return Answer(listing(reported.lang), document("suites", {"suites": suites}))
    return launch(choice.suite, *settings)
