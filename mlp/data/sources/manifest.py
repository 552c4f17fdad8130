"""A CSV file as a data source: path, class and perhaps split of each image."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pandas as pd

from mlp.data.index import SPLITS, Index, Layout
from mlp.data.labels import label
from mlp.data.reading import Files, read_files
from mlp.data.sources.layout import Kind, split_named
from mlp.data.sources.notes import Notes
from mlp.data.sources.walk import Links, lies_in
from mlp.data.split_file import check_twice, read_csv
from mlp.errors import DataError

_OUTSIDE = "outside of the CSV file's folder (links=inside)"


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
    normal = (os.path.normpath(root / unicodedata.normalize("NFC", p)) for p in table["path"])
    keys = pd.Series(map(os.path.normcase, normal), table.index)
    check_twice(what, table, keys, lambda one, other: _same(root / one, root / other))
    notes, files = Notes(), []
    for path, cls, split in zip(table["path"], table["class"], table["split"], strict=True):
        out = links == "inside" and not lies_in(root / path, root)
        if out:
            notes.add("link_out", path)
        files.append((path, cls, split, _OUTSIDE if out else ""))
    if all(refusal for *_, refusal in files):
        raise DataError(f"{what}: no image of it may be read\n  {next(iter(notes))}")
    return Index(
        Path(file).stem, read_files(root, files), Files(root), tuple(notes), layout=Layout()
    )


def _on_disk(root: Path, path: str) -> str:
    """The path in the form of Unicode in which there is such a file, if there is one.

    ~ is the home folder, unless a file is called so.
    """
    if path.startswith("~") and not (root / path).exists():
        path = os.path.expanduser(path)  # noqa: PTH111 (may name no user)
    if path.isascii() or (root / path).exists():
        return path
    forms = (unicodedata.normalize(form, path) for form in ("NFC", "NFD"))
    return next((form for form in forms if (root / form).exists()), path)


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths spelled alike are one file: some systems tell NFC from NFD."""
    try:
        return one.samefile(other)
    except OSError:
        return True
