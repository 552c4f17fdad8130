"""Train one network."""

from mlp.commands.command import Answer, command
from mlp.commands.launch import launch
from mlp.settings.commands import ExecutorConfig, FormatConfig, RecipeChoice
from mlp.settings.study import LanguageConfig, ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig


@command(RecipeChoice, RunConfig, TrackingConfig, LanguageConfig, ExecutorConfig, FormatConfig)
def train(
    recipe: RecipeChoice,
    config: RunConfig,
    tracking: TrackingConfig,
    language: LanguageConfig,
    executor: ExecutorConfig,
) -> Answer:
    """Train one network, and record it in MLflow and TensorBoard."""
    study, reported = StudyConfig(seeds=(config.seed,)), ReportConfig(lang=language.lang)
    return launch("training", recipe, config, study, tracking, reported, executor)
