"""Files of runs, without a second copy of what is on the same disk already."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri


def local_folder(uri: str) -> Path | None:
    """The folder of artifacts, None where a server or a service keeps them."""
    return Path(local_file_uri_to_path(uri)) if is_local_uri(uri) else None


def keep(client: MlflowClient, run_id: str, files: Path, folder: Path | None) -> None:
    """Make the files of a folder artifacts of a run, whose own `folder` is None if it is not here.

    They may vanish from the first one, but may not be changed there.
    """
    if folder is None:
        client.log_artifacts(run_id, str(files))
    else:
        copy_tree(files, folder)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder; of a file, a link to the same content is made where the disk has them."""
    shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True)


def keep_once(file: Path, known: Path) -> None:
    """Make a file a link to an equal one, if the folder `known` has it; else it is known from now.

    That is for files which nobody changes: a change would be one of all of them.
    """
    with file.open("rb") as content:
        first = known / hashlib.file_digest(content, "sha256").hexdigest()
    with suppress(OSError):  # two disks, or one without links
        if first.exists():
            linked = file.with_name(f"{file.name}.link")
            os.link(first, linked)
            linked.replace(file)
        else:
            known.mkdir(exist_ok=True)
            os.link(file, first)


def _link(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # two disks, or one without links
        shutil.copy2(source, target)
