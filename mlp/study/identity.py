"""The identity of a run: what its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import torch

from mlp.escaping import folder_name
from mlp.settings.training import RunConfig

_PACKAGE = Path(__file__).resolve().parents[1]
# What a run's numbers and records come from. The rest of mlp/study plans studies and reads what
# was recorded: a better sentence in a report is no reason to train again.
_SOURCES = (
    "settings",
    "seeds.py",
    "metrics.py",
    "data",
    "learning",
    "model",
    "tracking",
    "serving",
    "study/plan.py",
    "study/tracker.py",
    "study/lockstep.py",
)


@cache
def source_digest() -> str:
    """Hexadecimal digest of the source that makes and records numbers, and of torch's version."""
    hasher = hashlib.sha256(torch.__version__.encode())
    places = [_PACKAGE / name for name in _SOURCES]
    files = [f for place in places for f in ([place] if place.is_file() else place.rglob("*.py"))]
    for path in sorted(files):
        # Line ends differ between checkouts of one commit
        text = path.read_bytes().replace(b"\r\n", b"\n")
        hasher.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + text)
    return hasher.hexdigest()


def identity(config: RunConfig, data_digest: str) -> str:
    """Hexadecimal digest of a resolved configuration, its data and the source.

    Where the data lies does not matter: its digest stands for it, splits and dropped copies
    included.
    """
    fields = config.model_dump(mode="json", exclude={"data", "split", "layout", "links", "on_leak"})
    text = json.dumps([fields, data_digest, source_digest()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def label(kind: str, data_name: str, contents: str) -> str:
    """A name for a folder of every system, and for a filter of MLflow: equal for equal contents."""
    digest = hashlib.sha256(contents.encode()).hexdigest()
    return f"{folder_name(kind)}-{folder_name(data_name)}-{digest[:8]}"
