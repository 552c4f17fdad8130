"""Train one network: `python -m scripts.train --data FOLDER --dropout 0.5`."""

from mlp.config import ReportConfig, RunConfig, StudyConfig, TrackingConfig
from mlp.options import ExecutorConfig, RecipeChoice
from mlp.study.recipes import begin_with
from scripts.command import command
from scripts.launch import launch


@command(RecipeChoice, RunConfig, TrackingConfig, ExecutorConfig)
def train(
    recipe: RecipeChoice, config: RunConfig, tracking: TrackingConfig, executor: ExecutorConfig
) -> None:
    """Train one network, and record it in MLflow and TensorBoard."""
    config = begin_with(recipe.recipe, config)
    study = StudyConfig(seeds=(config.seed,))
    launch("training", config, study, tracking, ReportConfig(), executor)


if __name__ == "__main__":
    train()
