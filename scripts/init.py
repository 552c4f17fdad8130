"""Compare initializations: `python -m scripts.init --data FOLDER --seeds 5`."""

from mlp.config import ReportConfig, RunConfig, StudyConfig, TrackingConfig
from mlp.options import RecipeChoice
from mlp.study.recipes import begin_with
from scripts.command import command
from scripts.launch import launch


@command(RecipeChoice, RunConfig, StudyConfig, TrackingConfig, ReportConfig)
def init(
    recipe: RecipeChoice,
    base: RunConfig,
    study: StudyConfig,
    tracking: TrackingConfig,
    report: ReportConfig,
) -> None:
    """Train a network from each initialization of its weights, under the same seeds."""
    launch("initialization", begin_with(recipe.recipe, base), study, tracking, report)


if __name__ == "__main__":
    init()
