"""The files under a folder: links are followed, loops are not walked, nothing is silent."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mlp.data.images.formats import by_name

Links = Literal["follow", "inside"]

# What systems and tools keep in folders of their own
_SYSTEM = {
    "__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__",
    "#recycle", "@recycle", "node_modules", ".@__thumb", ".git", ".hg", ".svn", ".dvc", ".cache",
    ".config", ".idea", ".vscode", ".venv", ".trash", ".trashes", ".thumbnails", ".thumbs",
    ".ipynb_checkpoints", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".appledouble",
    ".documentrevisions-v100", ".huggingface", ".snapshot", ".snapshots", ".tmp", ".github",
}  # fmt: skip
# What stands beside images; any other file may be one, as content decides
_OTHER = {
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html",
    ".htm", ".pdf", ".ini", ".db", ".mat", ".npy", ".npz", ".pkl", ".h5", ".hdf5", ".parquet",
    ".zip", ".gz", ".tar", ".7z", ".rar", ".py", ".ipynb", ".sh", ".m", ".pt", ".pth", ".dvc",
    ".log", ".doc", ".docx", ".xls", ".xlsx", ".lock", ".tfrecord",
}  # fmt: skip
_OTHER_NAMES = {"readme", "license", "licence", "copying", "makefile", "dockerfile"}
# What is passed over: the text for one case, and for several; `first` is where the first was met
TEXTS = {
    "empty": ("the folder {first} is empty", "{count} folders are empty, the first: {first}"),
    "unreadable": ("the folder {first}", "{count} folders cannot be read, the first: {first}"),
    "system": (
        "1 image in a hidden folder, or one of a system, was passed over: {first}",
        "{count} images in hidden folders, or those of a system, were passed over, the first: "
        "{first}",
    ),
    "hidden": (
        "1 hidden file with the name of an image was passed over: {first}",
        "{count} hidden files with names of images were passed over, the first: {first}",
    ),
    "link_lost": (
        "1 link leads nowhere, or in a circle: {first}",
        "{count} links lead nowhere, or in a circle, the first: {first}",
    ),
    "link_out": (
        "1 link leads out of the folder, which links=inside refuses: {first}",
        "{count} links lead out of the folder, which links=inside refuses, the first: {first}",
    ),
    "link_again": (
        "1 link leads to a folder that is read already, and was passed over: {first}",
        "{count} links lead to folders that are read already, and were passed over, the first: "
        "{first}",
    ),
    "not_utf8": (
        "1 file whose name is not UTF-8 was passed over: rename {first}",
        "{count} files whose names are not UTF-8 were passed over: rename them, the first: {first}",
    ),
    "stray": 2 * ("{count} files that are no images were passed over",),
}
_SAID = {
    "link_lost": "a link that leads nowhere, or in a circle",
    "link_out": "a link that leads out of the folder, which links=inside refuses",
}


@dataclass(frozen=True)
class Note:
    """A kind of thing (of TEXTS) that was met: how often, and where first. `str` is English."""

    kind: str
    count: int
    first: str

    def __str__(self) -> str:
        return TEXTS[self.kind][self.count > 1].format(count=self.count, first=self.first)


class Notes:
    """The places where each kind of thing was met; iterating gives a note for each kind."""

    def __init__(self) -> None:
        self._met: dict[str, dict[str, int]] = {}

    def add(self, kind: str, path: str, count: int = 1) -> None:
        """Count a thing of a kind (of TEXTS) that was met at a path, once for each path."""
        assert kind in TEXTS
        self._met.setdefault(kind, {})[path] = count

    def __iter__(self) -> Iterator[Note]:
        for kind, met in self._met.items():
            # Names may hold bytes that are no text
            first = min(met).encode("utf-8", "backslashreplace").decode()
            yield Note(kind, sum(met.values()), first)


@dataclass
class Listing:
    """The direct content of a folder, sorted: folders, and files that are not hidden."""

    folders: dict[str, bool] = field(default_factory=dict)  # and whether it is a link
    refused: dict[str, str] = field(default_factory=dict)  # files not to be opened, and why
    joined: str = ""  # the names of all files, each with / after it: a text takes less than many

    @property
    def files(self) -> list[str]:
        """The names of the files."""
        return self.joined.split("/")[:-1]

    @property
    def images(self) -> int:
        """The number of files with names of images."""
        return sum(by_name(name) is not None for name in self.files)


class Walk:
    """The folders and files under a root, each folder listed once. Paths are relative, with /.

    Links are followed: with `links` inside, only those that stay within the root. What is passed
    over is counted in `notes`, folders that are neither hidden nor a system's in `passed`.
    """

    def __init__(self, root: Path, notes: Notes, links: Links = "follow") -> None:
        self.root, self.notes, self.links = root, notes, links
        self.passed: list[tuple[str, int]] = []
        self._listed: dict[str, Listing] = {}
        self._holds: dict[tuple[str, bool], bool] = {}

    def listing(self, part: str) -> Listing:
        """The content of a folder, none where it cannot be read. Raises OSError for the root."""
        if part not in self._listed:
            made = self._listed[part] = Listing()
            try:
                entries = sorted(os.scandir(self.root / part), key=lambda entry: entry.name)
                files = [entry.name for entry in entries if self._is_file(part, entry, made)]
                made.joined = "".join(f"{name}/" for name in files)
            except OSError as error:
                if not part:
                    raise
                self.notes.add("unreadable", f"{part}/ cannot be read: {error.strerror}")
        return self._listed[part]

    def files(self, part: str, noted: bool = True) -> Iterator[tuple[str, str]]:
        """Paths of all files under a folder, and why one is not to be opened, or "".

        A folder is walked once, however many links lead to it. `noted`: what is passed over on the
        way is counted, as the files are read or passed over themselves.
        """
        seen: set[str] = set()
        folders, linked = deque([part]), deque[str]()
        while folders or linked:
            # Links last: a folder that is there itself is called by its own name
            here = folders.popleft() if folders else linked.popleft()
            place = os.path.realpath(self.root / here)
            if place in seen:
                if noted:
                    self.notes.add("link_again", here)
                continue
            seen.add(place)
            listing = self.listing(here)
            for name, is_link in listing.folders.items():
                if not name.startswith("."):
                    (linked if is_link else folders).append(below(here, name))
                elif noted:
                    self.pass_over(below(here, name))
            for name in listing.files:
                yield below(here, name), listing.refused.get(name, "")

    def holds_images(self, part: str, named: bool = True) -> bool:
        """Tell whether files with names of images (else: that may be images) are under a folder."""
        if (part, named) not in self._holds:
            fits = by_name if named else _may_be_image
            names = (path.rpartition("/")[2] for path, _ in self.files(part, noted=False))
            self._holds[part, named] = any(map(fits, names))
        return self._holds[part, named]

    def pass_over(self, part: str, is_system: bool = False) -> None:
        """Count the images of a folder: in `passed`, or as a note where it is hidden or a system's.

        Files count by their names alone.
        """
        count = sum(by_name(path) is not None for path, _ in self.files(part))
        if not is_system and not part.rpartition("/")[2].startswith("."):
            self.passed.append((f"{part}/", count))
        elif count:
            self.notes.add("system", f"{part}/", count)

    def _is_file(self, part: str, entry: os.DirEntry[str], made: Listing) -> bool:
        """Tell whether it is a file to list; put a folder where it belongs, note the rest."""
        name, path, link, why = entry.name, below(part, entry.name), entry.is_symlink(), ""
        if link and not os.path.exists(entry.path):  # noqa: PTH110 (asked of every link)
            why = "link_lost"
        elif link and self.links == "inside" and not lies_in(entry.path, self.root):
            why = "link_out"
        if not why and entry.is_dir():
            small = name.lower()
            if link and lies_in(self.root / part, entry.path):
                self.notes.add("link_again", path)
            elif small in _SYSTEM or small.startswith((".trash-", ".nfs")):
                self.pass_over(path, is_system=True)
            else:
                made.folders[name] = link
        elif name.startswith("."):
            if by_name(name):
                self.notes.add("hidden", path)
        elif why and not by_name(name):
            self.notes.add(why, path)
        else:
            if why:
                made.refused[name] = _SAID[why]
            return True
        return False


def _may_be_image(name: str) -> bool:
    """Tell whether a file's name leaves open that it is an image."""
    stem, ending = os.path.splitext(name.lower())  # noqa: PTH122 (asked of every file)
    return ending not in _OTHER and (ending != "" or stem not in _OTHER_NAMES)


def lies_in(path: str | Path, folder: str | Path) -> bool:
    """Tell whether a path, all links followed, is a folder or in it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def below(part: str, name: str) -> str:
    """The path of something in a folder."""
    return f"{part}/{name}" if part else name
