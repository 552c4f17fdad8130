"""Train one network."""

from mlp.commands.command import Answer, command
from mlp.commands.launch import launch
from mlp.settings.commands import ExecutorConfig, FormatConfig, RecipeChoice
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig


@command(RecipeChoice, RunConfig, TrackingConfig, ExecutorConfig, FormatConfig)
def train(
    recipe: RecipeChoice, config: RunConfig, tracking: TrackingConfig, executor: ExecutorConfig
) -> Answer:
    """Train one network, and record it in MLflow and TensorBoard."""
    study = StudyConfig(seeds=(config.seed,))
    return launch("training", recipe, config, study, tracking, ReportConfig(), executor)
