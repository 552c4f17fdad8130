"""The files under a folder: links are followed, loops are not walked, nothing is silent."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mlp.data.formats import by_name
from mlp.data.notes import Notes

Links = Literal["follow", "inside"]

# What systems and tools keep in folders of their own; names that begin with a dot apart
_SYSTEM = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
_SYSTEM |= {"__pycache__", "#recycle"}
_HIDDEN_SYSTEM = {
    ".git", ".hg", ".svn", ".dvc", ".cache", ".config", ".idea", ".vscode", ".venv", ".trash",
    ".trashes", ".thumbnails", ".ipynb_checkpoints", ".spotlight-v100", ".fseventsd",
    ".temporaryitems", ".appledouble", ".documentrevisions-v100", ".ds_store", ".huggingface",
}  # fmt: skip
# Endings of files that stand beside images; any other file may be one
_OTHER = {
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html",
    ".htm", ".pdf", ".ini", ".db", ".mat", ".npy", ".npz", ".pkl", ".h5", ".hdf5", ".parquet",
    ".zip", ".gz", ".tar", ".7z", ".rar", ".py", ".ipynb", ".sh", ".m", ".pt", ".pth", ".dvc",
    ".log", ".doc", ".docx", ".xls", ".xlsx", ".lock",
}  # fmt: skip


def is_system(name: str) -> bool:
    """Whether a folder is one that a system or a tool made: __MACOSX, .git and their like."""
    small = name.lower()
    return small in _SYSTEM or small in _HIDDEN_SYSTEM or small.startswith(".trash-")


def is_image_name(name: str) -> bool:
    """Whether the ending of a file's name is that of an image."""
    return by_name(name) is not None


def may_be_image(name: str) -> bool:
    """Whether a file is worth a look: hidden ones only where they claim to be images."""
    if name.startswith("."):
        return is_image_name(name) and not name.startswith("._")
    return os.path.splitext(name)[1].lower() not in _OTHER  # noqa: PTH122 (asked of every file)


class Listing:
    """What is directly in a folder of a source. Raises OSError where it cannot be read."""

    def __init__(self, root: Path, here: str, links: Links = "follow") -> None:
        self.here = here  # relative to the root, "" for itself
        self.folders: list[str] = []
        self.system: list[str] = []
        self.images: list[str] = []  # files that may be images
        self.refused: list[str] = []  # links to folders that lead out
        with os.scandir(root / here) as entries:
            for entry in entries:
                if _is_folder(entry):
                    out = links == "inside" and entry.is_symlink()
                    if out and not Path(entry.path).resolve().is_relative_to(root):
                        self.refused.append(entry.name)
                    else:
                        (self.system if is_system(entry.name) else self.folders).append(entry.name)
                elif may_be_image(entry.name):
                    self.images.append(entry.name)
        for names in (self.folders, self.system, self.images, self.refused):
            names.sort()

    @property
    def named(self) -> list[str]:
        """The files with names of images."""
        return [name for name in self.images if is_image_name(name)]

    def below(self, name: str) -> str:
        """The path of something in this folder, relative to the root."""
        return f"{self.here}/{name}" if self.here else name


def images_below(root: Path, part: str, links: Links = "follow") -> Iterator[str]:
    """Paths, relative to `root`, of what may be images under its folder `part`."""
    for path, _ in files(root, part, Notes(), links):
        if may_be_image(path.rpartition("/")[2]):
            yield path


def files(
    root: Path, part: str, notes: Notes, links: Links = "follow"
) -> Iterator[tuple[str, str]]:
    """Paths, relative to `root` with /, of all files under its folder `part`, and "" or a refusal.

    A refusal says why a file is not to be opened: a link that leads nowhere, or out of `root` where
    links=inside. A folder is read once, however many links lead to it, and those around `root` are
    not read at all. Folders that cannot be read or that are a system's are counted in `notes`.
    """
    start = root / part
    around = [start, *start.parents, *start.resolve().parents]
    seen = {key for key in map(_key, around) if key}
    folders, linked = deque([part]), deque[str]()
    while folders or linked:
        # Links last: a folder that is there itself is called by its own name
        here = folders.popleft() if folders else linked.popleft()
        place = root / here
        if here != part:
            key = _key(place)
            if key in seen:
                notes.add("link_again", here)
                continue
            seen |= {key} if key else set()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            notes.add("unreadable", f"{here}/ cannot be read: {error.strerror}")
            continue
        for entry in entries:
            path = f"{here}/{entry.name}"
            link = entry.is_symlink()
            folder = _is_folder(entry)
            refusal = _refusal(root, Path(entry.path), links, notes, path) if link else ""
            if folder and is_system(entry.name):
                count = 0 if link else sum(1 for _ in images_below(root, path, links))
                if count:
                    notes.add("system", path, count)
            elif folder and not refusal:
                (linked if link else folders).append(path)
            elif entry.name.startswith("._"):
                if is_image_name(entry.name):
                    notes.add("apple_double", path)
            elif not folder and (may_be_image(entry.name) or not entry.name.startswith(".")):
                yield path, refusal


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False


def _key(place: Path) -> tuple[int, int] | None:
    """What tells a folder from all others, by whatever path it is reached."""
    try:
        status = place.stat()
    except (OSError, RuntimeError):
        return None
    return status.st_dev, status.st_ino


def _refusal(root: Path, link: Path, links: Links, notes: Notes, path: str) -> str:
    """Why a link is not followed, "" if it is."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        notes.add("link_lost", path)
        return "a link that leads nowhere, or in a circle"
    if links == "inside" and not target.is_relative_to(root.resolve()):
        notes.add("link_out", path)
        return "a link that leads out of the folder (links=inside)"
    return ""
