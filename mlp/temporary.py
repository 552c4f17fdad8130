"""Temporary files: each command has a folder for its own, and removes those of killed ones."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from mlp.processes import is_gone, this_process

_PREFIX = "mlp-of-"
_VARIABLES = ("TMPDIR", "TEMP", "TMP")  # of POSIX, then of Windows


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """While entered, this process and those that it starts make temporary files in a folder of its.

    It is removed at the end. Before, those of processes that were killed are. Raises OSError.
    """
    place = Path(tempfile.gettempdir())
    remove_left(place, _PREFIX)
    # Not each library removes its own when it is interrupted
    own = tempfile.mkdtemp(dir=place, prefix=named(_PREFIX))
    former, variables = tempfile.tempdir, {name: os.environ.get(name) for name in _VARIABLES}
    tempfile.tempdir = own
    os.environ.update(dict.fromkeys(_VARIABLES, own))
    try:
        yield
    finally:
        tempfile.tempdir = former
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(own, ignore_errors=True)


def named(prefix: str) -> str:
    """The beginning of a name of a temporary file or folder that says whose it is."""
    return f"{prefix}{quote(this_process(), safe='').replace('%20', '+')}~"


def remove_left(place: Path, prefix: str) -> None:
    """Remove files and folders of processes of this machine that are gone, by their names."""
    for path in place.glob(f"{prefix}*~*"):
        process = unquote(path.name.removeprefix(prefix).rpartition("~")[0].replace("+", " "))
        try:
            gone = is_gone(process)
        except ValueError:
            continue  # not named by `named`
        if gone and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif gone:
            path.unlink(missing_ok=True)
