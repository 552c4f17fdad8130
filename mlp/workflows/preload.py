"""Everything that a worker of this machine needs, imported and computed before it is one."""

from __future__ import annotations

import gc

import captum.attr  # noqa: F401

import mlp.tracking.mlflow.recording  # noqa: F401
from mlp.data.augmentation import pipeline
from mlp.execution.worker import version

pipeline({}, seed=0)
version()
# Or each worker copies the memory of every object when it first collects garbage
gc.collect()
gc.freeze()
