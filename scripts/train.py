"""Train one network: `python -m scripts.train --data FOLDER --dropout 0.5`."""

from mlp.config import ReportConfig, RunConfig, StudyConfig, TrackingConfig
from mlp.options import RecipeChoice
from mlp.study.recipes import begin_with
from scripts.command import command
from scripts.launch import launch


@command(RecipeChoice, RunConfig, TrackingConfig)
def train(recipe: RecipeChoice, config: RunConfig, tracking: TrackingConfig) -> None:
    """Train one network, and record it in MLflow and TensorBoard."""
    config = begin_with(recipe.recipe, config)
    launch("training", config, StudyConfig(seeds=(config.seed,)), tracking, ReportConfig())


if __name__ == "__main__":
    train()
