"""Train one network: `python -m scripts.train --data FOLDER --dropout 0.5`."""

from mlp.config import ReportConfig, RunConfig, StudyConfig, TrackingConfig
from scripts.command import command
from scripts.launch import launch


@command(RunConfig, TrackingConfig)
def train(config: RunConfig, tracking: TrackingConfig) -> None:
    """Train one network, and record it in MLflow and TensorBoard."""
    launch("training", config, StudyConfig(seeds=(config.seed,)), tracking, ReportConfig())


if __name__ == "__main__":
    train()
