"""A CSV file as a data source: path, class and perhaps split of each image."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pandas as pd

from mlp.data.index import SPLITS, Index, Layout, with_unread
from mlp.data.labels import label
from mlp.data.reading import Files, read_files
from mlp.data.sources.layout import Kind, split_named
from mlp.data.sources.notes import Notes
from mlp.data.sources.walk import Links
from mlp.data.split_file import named_twice, read_csv
from mlp.errors import DataError


def manifest(file: str, layout: Kind = "auto", links: Links = "follow") -> Index:
    """The images that a CSV file names, by paths that start at its folder, or absolute ones.

    Without a column `split`, validation images are drawn. With links=inside, what lies outside of
    its folder is refused. Raises DataError naming the line.
    """
    table = read_csv(file, "manifest", ("path", "class"))
    if "split" not in table.columns:
        table["split"] = ""
    names = table["split"].map(lambda name: split_named(name) if name.strip() else "")
    for column, wrong, right in (
        ("path", table["path"].str.strip() == "", "the path of an image"),
        ("class", table["class"].str.strip() == "", "the name of a class"),
        (
            "split",
            (names == "") & (table["split"].str.strip() != ""),
            f"{', '.join(SPLITS)}, or empty",
        ),
    ):
        if wrong.any():
            line = wrong.idxmax()
            raise DataError(
                f"manifest {file}, line {line}: {column} should be {right}, "
                f"not {table[column][line]!r}"
            )
    table = table.assign(split=names, **{"class": table["class"].map(label)})
    given = set(table["split"])
    if "" in given and len(given) > 1:
        line = (table["split"] == "").idxmax()
        raise DataError(
            f"manifest {file}, line {line}: split is empty, but other lines have one; "
            "name it for all images, or for none"
        )
    root = Path(file).resolve().parent
    table["path"] = [_on_disk(root, path.replace("\\", "/")) for path in table["path"]]
    _check_twice(file, table, root)
    notes, files, unread = Notes(), [], []
    for path, cls, split in zip(table["path"], table["class"], table["split"], strict=True):
        if links == "inside" and not (root / path).resolve().is_relative_to(root):
            notes.add("link_out", path)
            unread.append((path, cls, split, "outside of the CSV file's folder (links=inside)"))
        else:
            files.append((path, cls, split))
    if not files:
        raise DataError(f"manifest {file}: no image of it may be read\n  {next(iter(notes))}")
    index = with_unread(read_files(root, files), unread)
    return Index(Path(file).stem, index, Files(root), tuple(notes), layout=Layout())


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


def _check_twice(file: str, table: pd.DataFrame, root: Path) -> None:
    """Raise DataError where two lines name one file, however they spell it."""
    keys = [
        os.path.normcase(os.path.normpath(root / unicodedata.normalize("NFC", path)))
        for path in table["path"]
    ]
    first: dict[str, int] = {}
    for line, key in zip(table.index, keys, strict=True):
        before = first.setdefault(key, line)
        if before != line and _same(root / table["path"][before], root / table["path"][line]):
            raise named_twice(f"manifest {file}", table, before, line)


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths spelled alike are one file: some systems tell NFC from NFD."""
    try:
        return one.samefile(other)
    except OSError:
        return True
