"""Compare regularizers: `python -m scripts.ablation --data FOLDER --seeds 5`."""

from mlp.config import ReportConfig, RunConfig, StudyConfig, TrackingConfig
from mlp.options import ExecutorConfig, RecipeChoice
from mlp.study.recipes import begin_with
from scripts.command import command
from scripts.launch import launch


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
