"""Compare initializations: `python -m scripts.init --data FOLDER --seeds 5`."""

from mlp.config import ReportConfig, RunConfig, StudyConfig, TrackingConfig
from scripts.command import command
from scripts.launch import launch


@command(RunConfig, StudyConfig, TrackingConfig, ReportConfig)
def init(
    base: RunConfig, study: StudyConfig, tracking: TrackingConfig, report: ReportConfig
) -> None:
    """Train a network from each initialization of its weights, under the same seeds."""
    launch("initialization", base, study, tracking, report)


if __name__ == "__main__":
    init()
