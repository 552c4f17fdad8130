"""Compare initializations: `python -m scripts.init --data FOLDER --seeds 5`."""

from mlp.config import ReportConfig, RunConfig, StudyConfig, TrackingConfig
from mlp.options import ExecutorConfig, RecipeChoice
from mlp.study.recipes import begin_with
from scripts.command import command
from scripts.launch import launch


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
