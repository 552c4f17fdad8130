"""The files under a folder: no link leads out of it, no loop is walked, nothing is silent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def subfolders(folder: Path, notes: list[str]) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and links. Raises OSError."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() and entry.is_dir():
                notes.append(
                    f"the link {_shown(entry.name)} to a folder was passed over: copy that folder"
                )
            elif entry.is_dir() and not hidden(entry.name):
                names.append(entry.name)
    return sorted(names)


def hidden(name: str) -> bool:
    """Whether a name is one that people do not see: .DS_Store, __MACOSX and their like."""
    return name.startswith((".", "__MACOSX"))


def files(root: Path, part: str, notes: list[str]) -> Iterator[str]:
    """Paths, relative to `root` with /, of all files under its folder `part`.

    A link is followed to a file inside `root`. One that leads out, to a folder or nowhere is
    passed over, and so is a folder that cannot be read; `notes` says so.
    """
    try:
        entries = sorted(os.scandir(root / part), key=lambda entry: entry.name)
    except OSError as error:
        notes.append(f"the folder {part}/ cannot be read: {error.strerror}")
        return
    for entry in entries:
        if hidden(entry.name):
            continue
        path = f"{part}/{entry.name}"
        if entry.is_symlink():
            why = _refusal(root, Path(entry.path))
            if why:
                notes.append(f"the link {_shown(path)} was passed over: {why}")
                continue
            yield path
        elif entry.is_dir(follow_symlinks=False):
            yield from files(root, path, notes)
        else:
            yield path


def _refusal(root: Path, link: Path) -> str:
    """Why a link is not followed, "" if it is."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        return "it leads nowhere, or in a circle"
    if not target.is_relative_to(root):
        return "it leads out of the folder; copy what it leads to"
    return "it leads to a folder" if target.is_dir() else ""


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
