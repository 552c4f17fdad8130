"""Compare regularizers: `python -m scripts.ablation --data FOLDER --seeds 5`."""

from mlp.config import RunConfig, StudyConfig, TrackingConfig
from scripts.command import command
from scripts.launch import launch


@command(RunConfig, StudyConfig, TrackingConfig)
def ablation(base: RunConfig, study: StudyConfig, tracking: TrackingConfig) -> None:
    """Train a network with each regularizer, and without any, under the same seeds.

    The other options make the base configuration, which the regularizers are added to.
    """
    launch("regularization", base, tracking, study.seed_list(base.seed), study.arms_at_once)


if __name__ == "__main__":
    ablation()
