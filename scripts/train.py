"""Train one network: `python -m scripts.train --data FOLDER --dropout 0.5`."""

from mlp.settings.commands import ExecutorConfig, RecipeChoice
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.command import command
from scripts.launch import launch


@command(RecipeChoice, RunConfig, TrackingConfig, ExecutorConfig)
def train(
    recipe: RecipeChoice, config: RunConfig, tracking: TrackingConfig, executor: ExecutorConfig
) -> None:
    """Train one network, and record it in MLflow and TensorBoard."""
    study = StudyConfig(seeds=(config.seed,))
    launch("training", recipe, config, study, tracking, ReportConfig(), executor)


if __name__ == "__main__":
    train()
