"""Commands that a person is told to type."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path


def command_line(*words: str) -> str:
    """The words as one line of this system's shell, with quotes where they have blanks."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def tensorboard(folder: Path) -> str:
    """A command that shows the events below a folder, wherever it is typed.

    `mlflow run` works in a folder of its own, which need not be that of the person who reads this.
    """
    return command_line("tensorboard", "--logdir", str(folder.resolve()))
