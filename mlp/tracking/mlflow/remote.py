"""Opening the tracker of a study in another process, which has nothing of MLflow loaded yet."""

from __future__ import annotations

from mlp.study.tracker import WorkerTracker
from mlp.tracking.mlflow.environment import prepare_environment
from mlp.tracking.mlflow.place import RecordingPlace


def open_worker_tracker(place: RecordingPlace) -> WorkerTracker:
    """A tracker for some runs of a study that another process has begun, and will end."""
    prepare_environment()
    from mlp.tracking.mlflow.worker_tracker import MlflowWorkerTracker

    return MlflowWorkerTracker(place)
