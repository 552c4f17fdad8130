"""The identity of a run: what its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import torch

from mlp.escaping import folder_name
from mlp.imports import ROOT, code, needed
from mlp.settings.roles import roles
from mlp.settings.training import Resolved

# What makes the numbers of a run, and what records them: with all they import, they are its source.
# Not the commands: a better sentence in a report is no reason to train again.
_MAKERS = ("mlp.study.lockstep", "mlp.tracking.mlflow.tracker")


@cache
def source_digest(root: Path = ROOT) -> str:
    """Hexadecimal digest of the source that makes and records numbers, and of torch's version.

    `root` is the folder of the package. Raises ImportError where a part of the source is missing.
    """
    hasher = hashlib.sha256(torch.__version__.encode())
    for name, path in needed(_MAKERS, root).items():
        hasher.update(f"{name}\0{code(path)}\0".encode())
    return hasher.hexdigest()


def identity(config: Resolved, data_digest: str) -> str:
    """Hexadecimal digest of a configuration, its data and the source.

    Where the data lies does not matter: its digest stands for it, splits and dropped copies
    included.
    """
    counting = {name for name, role in roles(type(config)).items() if role.stage != "source"}
    fields = config.model_dump(mode="json", include=counting)
    # The class of a network of one's own: where its file lies does not matter either
    fields["network"] = config.network.rpartition(":")[2]
    text = json.dumps([fields, data_digest, source_digest()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def label(kind: str, data_name: str, contents: str) -> str:
    """A name for a folder of every system, and for a filter of MLflow: equal for equal contents."""
    digest = hashlib.sha256(contents.encode()).hexdigest()
    return f"{folder_name(kind)}-{folder_name(data_name)}-{digest[:8]}"
