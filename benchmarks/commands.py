"""Commands of this project, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

_ROOT = Path(__file__).resolve().parents[1]


def environment(cache: Path) -> dict[str, str]:
    """This process's, with a cache of its own and the tracking store of the working folder."""
    made = os.environ | {"PYTHONPATH": str(_ROOT), "MLP_CACHE": str(cache)}
    made.pop("MLFLOW_TRACKING_URI", None)
    return made


def run(*arguments: str, cwd: Path, cache: Path) -> str:
    """What a Python process printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(cache),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    return done.stdout
