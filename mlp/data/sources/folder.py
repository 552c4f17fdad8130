"""A folder of images as an index: train/ val/ [test/] or nothing, then a folder a class."""

from __future__ import annotations

from pathlib import Path

from mlp.data.images.formats import READABLE
from mlp.data.index import Index, Refusal, said
from mlp.data.reading import Files, read_files
from mlp.data.sources.layout import Kind, Reader
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
    walk = Walk(root, notes, links)
    try:
        understood = Reader(walk, layout).read()
    except OSError as error:
        raise DataError(f"data folder {root} cannot be read: {error.strerror}") from None
    files: list[tuple[str, str, str, str]] = []
    for part, cls, split in understood.classes:
        found = [(path, cls, split, refusal) for path, refusal in walk.files(part)]
        files += found
        if not found:
            notes.add("empty", f"{part}/")
    wrong = {path for path, *_ in files if path.encode("utf-8", "ignore").decode() != path}
    for path in wrong:
        notes.add("not_utf8", path)
    files = sorted(file for file in files if file[0] not in wrong)
    if not files:
        raise DataError(
            f"no images found in {root}; expected train/<class>/*.jpg and val/<class>/*.jpg, or "
            f"<class>/*.jpg ({READABLE}){said([*understood.told(), *notes])}"
        )
    table = read_files(root, files)
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
