"""Compare initializations: `python -m scripts.init --data FOLDER --seeds 5`."""

from mlp.config import RunConfig, StudyConfig, TrackingConfig
from scripts.command import command
from scripts.launch import launch


@command(RunConfig, StudyConfig, TrackingConfig)
def init(base: RunConfig, study: StudyConfig, tracking: TrackingConfig) -> None:
    """Train a network from each initialization of its weights, under the same seeds."""
    launch("initialization", base, tracking, study.seed_list(base.seed), study.arms_at_once)


if __name__ == "__main__":
    init()
