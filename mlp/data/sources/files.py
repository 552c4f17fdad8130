"""Image files as a data source: those in a folder, or those that a CSV file names."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pandas as pd

from mlp.data.images.formats import READABLE
from mlp.data.index import SPLITS, Index, Layout, Refusal, label, said
from mlp.data.reading import Files, read_files
from mlp.data.sources.layout import Kind, Reader, split_named
from mlp.data.sources.walk import Links, Notes, Walk, lies_in
from mlp.data.split_file import check_twice, read_csv
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
    files = _listed(walk, understood, notes)
    del walk  # of a million names
    if files.empty:
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
    if stray.any():
        stray &= ~stray.groupby([table["class"], table["split"]]).transform("all")
        for path in table.loc[stray, "path"]:
            notes.add("stray", path)
        table = table[~stray].reset_index(drop=True)
    return Index(root.name, table, Files(root), tuple(notes), layout=understood)


def _listed(walk: Walk, layout: Layout, notes: Notes) -> pd.DataFrame:
    """The files of the classes, for `read_files`, without those whose names are not UTF-8."""
    parts, wrong = [pd.DataFrame(columns=["path", "reason"], dtype="str")], list[str]()
    for part, *_ in layout.classes:
        found = list(walk.files(part))
        if not found:
            notes.add("empty", f"{part}/")
        named = [file for file in found if file[0].encode("utf-8", "ignore").decode() == file[0]]
        if len(named) < len(found):
            wrong += [path for path, _ in set(found) - set(named)]
        parts.append(pd.DataFrame(named, columns=["path", "reason"], dtype="str"))
    for path in wrong:
        notes.add("not_utf8", path)
    folders = pd.DataFrame(layout.classes, columns=["part", "class", "split"], dtype="category")
    counts = [len(part) for part in parts[1:]]
    made = pd.concat(parts, ignore_index=True).astype({"reason": "category"})
    for column in ("class", "split"):
        made[column] = folders[column].repeat(counts).array
    return made.sort_values("path", ignore_index=True)


def manifest(file: str, layout: Kind = "auto", links: Links = "follow") -> Index:
    """The images that a CSV file names, by paths that start at its folder, or absolute ones.

    Without a column `split`, validation images are drawn. With links=inside, what lies outside of
    its folder is refused. Raises DataError naming the line.
    """
    what, root = f"manifest {file}", Path(file).resolve().parent
    table = read_csv(what, file, ("path", "class"))
    if "split" not in table.columns:
        table["split"] = ""
    blank = table[["path", "class", "split"]].map(str.strip) == ""
    names = table["split"].map(split_named)
    for column, wrong, right in (
        ("path", blank["path"], "the path of an image"),
        ("class", blank["class"], "the name of a class"),
        ("split", (names == "") & ~blank["split"], f"{', '.join(SPLITS)}, or empty"),
    ):
        if wrong.any():
            line = wrong.idxmax()
            raise DataError(
                f"{what}, line {line}: {column} should be {right}, not {table[column][line]!r}"
            )
    if blank["split"].any() and not blank["split"].all():
        raise DataError(
            f"{what}, line {blank['split'].idxmax()}: split is empty, but other lines have one; "
            "name it for all images, or for none"
        )
    table = table.assign(split=names, **{"class": table["class"].map(label)})
    table["path"] = [_on_disk(root, path.replace("\\", "/")) for path in table["path"]]
    names = (unicodedata.normalize("NFC", path) for path in table["path"])
    # A Path made for each image would take longer than all the rest
    normal = (os.path.normpath(os.path.join(root, name)) for name in names)  # noqa: PTH118
    keys = pd.Series(map(os.path.normcase, normal), table.index)
    check_twice(what, table, keys, lambda one, other: _same(root / one, root / other))
    notes, table["reason"] = Notes(), ""
    for line, path in table["path"].items() if links == "inside" else ():
        if not lies_in(root / path, root):
            notes.add("link_out", path)
            table.loc[line, "reason"] = "outside of the CSV file's folder (links=inside)"
    if (table["reason"] != "").all():
        raise DataError(f"{what}: no image of it may be read\n  {next(iter(notes))}")
    table = read_files(root, table.sort_values("path"))
    return Index(Path(file).stem, table, Files(root), tuple(notes), layout=Layout())


def _on_disk(root: Path, path: str) -> str:
    """The path in the form of Unicode in which there is such a file, if there is one.

    ~ is the home folder, unless a file is called so.
    """
    if path.startswith("~") and not (root / path).exists():
        path = os.path.expanduser(path)  # noqa: PTH111 (may name no user)
    forms = (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
    return path if path.isascii() else next((f for f in forms if (root / f).exists()), path)


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths spelled alike are one file: some systems tell NFC from NFD."""
    try:
        return one.samefile(other)
    except OSError:
        return True
