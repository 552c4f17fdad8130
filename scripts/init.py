"""Compare initializations: `python -m scripts.init --data FOLDER --seeds 5`."""

from mlp.settings.commands import ExecutorConfig, RecipeChoice
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.command import command
from scripts.launch import begin_with, launch


@command(RecipeChoice, RunConfig, StudyConfig, TrackingConfig, ReportConfig, ExecutorConfig)
def init(
    recipe: RecipeChoice,
    base: RunConfig,
    study: StudyConfig,
    tracking: TrackingConfig,
    report: ReportConfig,
    executor: ExecutorConfig,
) -> None:
    """Train a network from each initialization of its weights, under the same seeds."""
    launch("initialization", begin_with(recipe.recipe, base), study, tracking, report, executor)


if __name__ == "__main__":
    init()
