"""The folder that keeps what was read once, and files that are written in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from mlp.errors import DataError
from mlp.processes import remove_left, temporary_prefix

_UNFINISHED = ".writing-"  # begins the names of files that are being written


def cache_place() -> Path:
    """The folder named by the environment variable MLP_CACHE, else where the platform keeps caches.

    It may not be there.
    """
    return Path(os.environ.get("MLP_CACHE") or platformdirs.user_cache_dir("mlp", False))


def cache_folder() -> Path:
    """The folder of `cache_place`, made if it does not exist. Raises DataError where it cannot be.

    Files that killed processes left half-written in it are removed.
    """
    folder = cache_place()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot make the cache folder {folder}: {error.strerror}; "
            "set MLP_CACHE to a folder that can be written"
        ) from None
    remove_left(folder, _UNFINISHED)
    return folder.resolve()


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raise DataError, and say what to do, where the disk is full or cannot be written."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write {target}: {error.strerror or error}; "
            "make room, or set MLP_CACHE to a folder that can be written"
        ) from None


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `target` in one step when the block ends well.

    Raises DataError as `writing` does.
    """
    prefix = temporary_prefix(_UNFINISHED)
    with writing(target), tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as folder:
        temporary = Path(folder, target.name)
        yield temporary
        try:
            temporary.replace(target)
        except PermissionError:
            # Windows: another process made the same file and has it open
            if not target.exists():
                raise
