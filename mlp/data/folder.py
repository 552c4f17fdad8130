"""A folder of images as an index: train/ val/ [test/] or nothing, then a folder a class."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from mlp.data.cache import cache_folder, replacing
from mlp.data.image import (
    DECODER_VERSION,
    EXTENSIONS,
    Header,
    UnreadableImage,
    quiet_decoder,
    read_header,
)
from mlp.data.index import COLUMNS, SPLITS, DataError, Index

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_REMEMBERED = ("path", "size", "mtime_ns", "sha256", "width", "height", "gray", "reason")


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
    files = list(_files(root, notes))
    if not files:
        raise DataError(
            f"no images found in {root}; expected train/<class>/*.jpg and val/<class>/*.jpg, or "
            f"<class>/*.jpg (JPEG, PNG, BMP, WebP or TIFF)"
        )
    table = _read(root, files)
    # Files that neither are images nor claim to be (Thumbs.db, notes.txt) are no one's mistake.
    stray = [
        reason != "" and not claimed.lower().endswith(EXTENSIONS)
        for claimed, reason in zip(table["path"], table["reason"], strict=True)
    ]
    if any(stray):
        notes.append(f"{sum(stray)} files that are no images were passed over")
    table = table[[not s for s in stray]].reset_index(drop=True)
    if table.empty:
        raise DataError(f"no images found in {root}, only other files")
    return Index(root.name, table, lambda name: (root / name).read_bytes(), tuple(notes))


def _class_folders(root: Path, notes: list[str]) -> list[tuple[str, str, str]]:
    """Relative path, class and split of each folder that holds the images of a class."""
    folders = _subfolders(root)
    splits = {name: _SPLIT_NAMES[name.lower()] for name in folders if name.lower() in _SPLIT_NAMES}
    if "train" not in splits.values():
        if splits and len(splits) == len(folders):
            raise DataError(f"{root} has {'/ and '.join(splits)}/ but no train/")
        if len(folders) == 1 and _subfolders(root / folders[0]):
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
        for cls in _subfolders(root / name)
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
        for directory, names, files in os.walk(root / part):
            names[:] = [n for n in names if not _hidden(n)]
            where = Path(directory).relative_to(root).as_posix()
            found += [(f"{where}/{f}", cls, split) for f in files if not _hidden(f)]
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


def _subfolders(path: Path) -> list[str]:
    return sorted(e.name for e in os.scandir(path) if e.is_dir() and not _hidden(e.name))


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _read(root: Path, files: list[tuple[str, str, str]]) -> pd.DataFrame:
    """The table of the index; what an earlier call read of unchanged files is not read again."""
    place = f"{DECODER_VERSION} {root}".encode("utf-8", "surrogateescape")
    key = hashlib.sha256(place).hexdigest()[:32]
    memory = cache_folder() / f"index-{key}.parquet"
    known: dict[str, tuple[object, ...]] = {}
    if memory.exists():
        try:
            for row in pd.read_parquet(memory, columns=list(_REMEMBERED)).itertuples(index=False):
                known[row[0]] = tuple(row)
        except (OSError, ValueError):
            known = {}
    records: list[tuple[object, ...]] = []
    with quiet_decoder(), ThreadPoolExecutor() as pool:
        rows = pool.map(lambda file: _row(root, file[0], known.get(file[0])), files)
        bar = tqdm(rows, "indexing", len(files), unit=" images", disable=None, delay=1, leave=False)
        records.extend(bar)
    if any(record is not known.get(str(record[0])) for record in records):
        frame = pd.DataFrame(records, columns=list(_REMEMBERED))
        with replacing(memory) as target:
            frame.to_parquet(target, index=False)
    rows_ = [
        (path, cls, split, *record[3:])
        for (path, cls, split), record in zip(files, records, strict=True)
    ]
    return pd.DataFrame(rows_, columns=list(COLUMNS))


def _row(root: Path, path: str, known: tuple[object, ...] | None) -> tuple[object, ...]:
    """One row with the columns _REMEMBERED: `known` itself where the file has not changed."""
    try:
        status = (root / path).stat()
        if not stat.S_ISREG(status.st_mode):
            return (path, -1, -1, "", 0, 0, False, "not a file that could be read to its end")
        if known is not None and known[1:3] == (status.st_size, status.st_mtime_ns):
            return known
        data = (root / path).read_bytes()
    except OSError as error:
        return (path, -1, -1, "", 0, 0, False, f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(data).hexdigest()
    try:
        header, reason = read_header(data), ""
    except UnreadableImage as error:
        header, reason = Header(0, 0, False), str(error)
    return (
        path,
        status.st_size,
        status.st_mtime_ns,
        digest,
        header.width,
        header.height,
        header.gray,
        reason,
    )


assert set(_SPLIT_NAMES.values()) == set(SPLITS)
