"""A folder of images as an index: train/ val/ [test/] or nothing, then a folder a class."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mlp.data.images.formats import READABLE
from mlp.data.index import COLUMNS, Index, Layout, Refusal, said, with_unread
from mlp.data.reading import Files, read_files
from mlp.data.sources.layout import Kind, read_layout
from mlp.data.sources.notes import Notes
from mlp.data.sources.walk import Links, Walk
from mlp.errors import DataError
from mlp.settings.source import SOURCES


def folder(path: str, layout: Kind = "auto", links: Links = "follow") -> Index:
    """Index the images under `path`; reads each file once, and again only when it has changed.

    Raises DataError when there is no such folder, no image in it, or no telling what is meant.
    """
    root = Path(path).resolve()
    if not root.is_dir():
        what = "is a file" if root.is_file() else "does not exist"
        known = "; ".join(source.words for source in SOURCES.values())
        raise DataError(f"data folder {root} {what}; give {known}")
    notes = Notes()
    try:
        walk = Walk(root, notes, links)
        understood = read_layout(walk, layout)
    except OSError as error:
        raise DataError(f"data folder {root} cannot be read: {error.strerror}") from None
    named = _files(walk, understood)
    files = [(file, cls, split) for file, cls, split, refusal in named if not refusal]
    if not named:
        raise DataError(
            f"no images found in {root}; expected train/<class>/*.jpg and val/<class>/*.jpg, or "
            f"<class>/*.jpg ({READABLE}){said([*understood.told(), *notes])}"
        )
    read = read_files(root, files) if files else pd.DataFrame(columns=list(COLUMNS))
    table = with_unread(read, [row for row in named if row[3]])
    # Files that neither are images nor claim to be (Thumbs.db, notes.txt) are no one's mistake,
    # where there is something else in the folder of the class.
    stray = table["refusal"] == Refusal.STRAY
    if stray.all():
        raise DataError(f"no images found in {root}, only other files{said(notes)}")
    stray &= ~stray.groupby([table["class"], table["split"]]).transform("all")
    for path in table.loc[stray, "path"]:
        notes.add("stray", path)
    table = table[~stray].reset_index(drop=True)
    return Index(root.name, table, Files(root), tuple(notes), layout=understood)


def _files(walk: Walk, layout: Layout) -> list[tuple[str, str, str, str]]:
    """Path, class, split and refusal ("" if none) of what may be an image, sorted by path."""
    found: list[tuple[str, str, str, str]] = []
    for part, cls, split in layout.classes:
        before = len(found)
        found += [(path, cls, split, refusal) for path, refusal in walk.files(part)]
        if len(found) == before:
            walk.notes.add("empty", f"{part}/")
    for path, *_ in found:
        if not _utf8(path):
            walk.notes.add("not_utf8", path)
    return sorted(row for row in found if _utf8(row[0]))


def _utf8(name: str) -> bool:
    return name.encode("utf-8", "ignore").decode() == name
