"""Run any suite: `python -m scripts.study --suite activation --data FOLDER`."""

from mlp import console
from mlp.settings.commands import ExecutorConfig, RecipeChoice, SuiteChoice
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.command import command
from scripts.launch import begin_with, launch


@command(
    SuiteChoice, RecipeChoice, RunConfig, StudyConfig, TrackingConfig, ReportConfig, ExecutorConfig
)
def study(
    choice: SuiteChoice,
    recipe: RecipeChoice,
    base: RunConfig,
    config: StudyConfig,
    tracking: TrackingConfig,
    report: ReportConfig,
    executor: ExecutorConfig,
) -> None:
    """Train every arm of a suite, one that comes with the project or your own in a YAML file.

    The other options make the base configuration; they override the suite's own base settings.
    """
    if choice.list:
        from mlp.study.suites import listing

        console.out(listing())
        return
    launch(choice.suite, begin_with(recipe.recipe, base), config, tracking, report, executor)


if __name__ == "__main__":
    study()
