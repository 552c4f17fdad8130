"""A folder of images as an index: train/ val/ [test/] or nothing, then a folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from mlp.data import walk
from mlp.data.formats import EXTENSIONS, READABLE, by_name
from mlp.data.image import EMPTY, NOT_AN_IMAGE
from mlp.data.index import SPLITS, DataError, Index
from mlp.data.reading import Files, read_files
from mlp.data.walk import subfolders

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def folder(path: str) -> Index:
    """Index the images under `path`; reads each file once, and again only when it has changed.

    Raises DataError when there is no such folder, or no image in it.
    """
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        what = "is a file" if root.is_file() else "does not exist"
        raise DataError(
            f"data folder {root} {what}; give a folder with train/ and val/ and a folder a class "
            "in each, or with just a folder a class, or 'digits'"
        )
    notes: list[str] = []
    try:
        files = list(_files(root, notes))
    except OSError as error:
        raise DataError(f"data folder {root} cannot be read: {error.strerror}") from None
    if not files:
        raise DataError(
            f"no images found in {root}; expected train/<class>/*.jpg and val/<class>/*.jpg, or "
            f"<class>/*.jpg ({READABLE})"
        )
    table = read_files(root, files)
    # Files that neither are images nor claim to be (Thumbs.db, notes.txt) are no one's mistake,
    # where there is something else in the folder of the class.
    stray = pd.Series(
        [
            reason in (NOT_AN_IMAGE, EMPTY) and by_name(path) is None
            for path, reason in zip(table["path"], table["reason"], strict=True)
        ]
    )
    if stray.all():
        raise DataError(f"no images found in {root}, only other files")
    stray &= ~stray.groupby([table["class"], table["split"]]).transform("all")
    if stray.any():
        notes.append(f"{stray.sum()} files that are no images were passed over")
    table = table[~stray].reset_index(drop=True)
    return Index(root.name, table, Files(root), tuple(notes))


def _class_folders(root: Path, notes: list[str]) -> list[tuple[str, str, str]]:
    """Relative path, class and split of each folder that holds the images of a class."""
    folders = subfolders(root, notes)
    splits = {name: _SPLIT_NAMES[name.lower()] for name in folders if name.lower() in _SPLIT_NAMES}
    if "train" not in splits.values():
        if splits and len(splits) == len(folders):
            raise DataError(f"{root} has {'/ and '.join(splits)}/ but no train/")
        if len(folders) == 1 and subfolders(root / folders[0], []):
            raise DataError(f"{root} holds only {folders[0]}/; try {root / folders[0]}")
        splits = {}
    if len(set(splits.values())) != len(splits):
        raise DataError(f"{root} has two folders for one split: {', '.join(sorted(splits))}")
    if not splits:
        _note_loose_files(root, root, notes)
        return [(name, name, "") for name in folders]
    others = sorted(set(folders) - set(splits))
    if others:
        notes.append(f"beside {'/, '.join(splits)}/, these were passed over: {', '.join(others)}")
    for name in splits:
        _note_loose_files(root, root / name, notes)
    return [
        (f"{name}/{cls}", cls, split)
        for name, split in splits.items()
        for cls in subfolders(root / name, notes)
    ]


def _note_loose_files(root: Path, folder: Path, notes: list[str]) -> None:
    loose = [e for e in os.scandir(folder) if e.name.lower().endswith(EXTENSIONS)]
    if loose:
        place = folder.relative_to(root.parent).as_posix()
        notes.append(f"{len(loose)} images in {place}/ itself, in no class, were passed over")


def _files(root: Path, notes: list[str]) -> Iterator[tuple[str, str, str]]:
    """Relative path, class and split of every file that may be an image, in sorted order."""
    found: list[tuple[str, str, str]] = []
    for part, cls, split in _class_folders(root, notes):
        before = len(found)
        found += [(path, cls, split) for path in walk.files(root, part, notes)]
        if len(found) == before:
            notes.append(f"the folder {part}/ is empty")
    unnameable = [file for file in found if not _utf8(file[0])]
    if unnameable:
        notes.append(
            f"{len(unnameable)} files whose names are not UTF-8 were passed over: rename "
            f"{unnameable[0][0].encode('utf-8', 'backslashreplace').decode()}"
        )
    yield from sorted(file for file in found if _utf8(file[0]))


def _utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


assert set(_SPLIT_NAMES.values()) == set(SPLITS)
