"""Compare regularizers: `python -m scripts.ablation --data FOLDER --seeds 5`."""

from mlp.settings.commands import ExecutorConfig, RecipeChoice
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.command import command
from scripts.launch import begin_with, launch


@command(RecipeChoice, RunConfig, StudyConfig, TrackingConfig, ReportConfig, ExecutorConfig)
def ablation(
    recipe: RecipeChoice,
    base: RunConfig,
    study: StudyConfig,
    tracking: TrackingConfig,
    report: ReportConfig,
    executor: ExecutorConfig,
) -> None:
    """Train a network with each regularizer, and without any, under the same seeds.

    The other options make the base configuration, which the regularizers are added to.
    """
    launch("regularization", begin_with(recipe.recipe, base), study, tracking, report, executor)


if __name__ == "__main__":
    ablation()
