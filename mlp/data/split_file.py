"""Splits as CSV files: path, class, split, sha256. Each study writes the one it used."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import eq
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from mlp.data.index import SPLITS, Index, Refusal, label, refuse
from mlp.data.sources.layout import split_named
from mlp.data.split import Split
from mlp.errors import DataError
from mlp.escaping import csv_text, from_cell

COLUMNS = ("path", "class", "split", "sha256")


def split_table(index: Index, split: Split) -> pd.DataFrame:
    """The rows of the images that were used, with the side on which each was."""
    table = index.usable[list(COLUMNS)].astype("str").reset_index(drop=True)
    sides = np.full(len(table), "", dtype=object)
    for name in SPLITS:
        sides[getattr(split, name)] = name
    table["split"] = sides
    return table[sides != ""]


def split_text(table: pd.DataFrame) -> str:
    """The rows of `split_table` as the content of a file, which `apply_split` reads."""
    return csv_text([table.columns, *table.itertuples(index=False)])


def apply_split(index: Index, file: str) -> Index:
    """The index with the sides that a file names; images that it does not name are left out.

    Raises DataError when the file is no split, or one of other images.
    """
    what, table = f"split file {file}", index.table.copy()
    given = read_csv(what, file, COLUMNS).map(from_cell)
    unknown = given.loc[given["split"].map(split_named) == "", "split"]
    if len(unknown):
        raise DataError(f"{what}: split should be train, val or test, not {unknown.min()!r}")
    given["split"] = given["split"].map(split_named)
    given["class"] = given["class"].map(label)
    own = set(table["path"])
    if not own.issuperset(given["path"]):
        spelled = {_spelling(path): path for path in table["path"]}
        given["path"] = [p if p in own else spelled.get(_spelling(p), p) for p in given["path"]]
    check_twice(what, given, given["path"])
    missing = sorted(set(given["path"]) - own)
    if missing:
        raise DataError(
            f"{what}: {len(missing)} of its {len(given)} images are not in {index.name}, such as "
            f"{missing[0]}; it is the split of other data"
        )
    rows = given.set_index("path").reindex(table["path"]).set_index(table.index)
    mine = table.assign(**{"class": table["class"].astype("str").map(label)})
    named, usable = rows["split"].notna(), table["refusal"] == ""
    for column, word in (("sha256", "content"), ("class", "class")):
        other = table.loc[named & usable & (rows[column] != mine[column]), "path"]
        if len(other):
            raise DataError(
                f"{what}: {len(other)} images of {index.name} have another {word} than in the "
                f"file, such as {other.iloc[0]}"
            )
    table["split"] = rows["split"].fillna("")
    left = table.loc[usable & ~named, "path"]
    reasons = dict.fromkeys(left, f"not named by {Path(file).name}")
    return refuse(replace(index, table=table), reasons, Refusal.NOT_IN_SPLIT)


def _spelling(path: str) -> str:
    """The one form of all ways to write a path."""
    return os.path.normpath(unicodedata.normalize("NFC", path).replace("\\", "/"))


def read_csv(what: str, file: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file of texts with at least these columns and one row a path, by line number.

    Raises DataError, which calls the file `what` and names the line.
    """
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as text:
            rows = dict(_numbered(text))
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{what} cannot be read: {reason}") from None
    if not rows:
        raise DataError(f"{what} cannot be read: it is empty")
    header = rows.pop(min(rows))
    absent = [name for name in columns if name not in header]
    if absent:
        raise DataError(
            f"{what}: no column {', '.join(absent)}; its columns are "
            f"{', '.join(header)}, and should be {', '.join(columns)}"
        )
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise DataError(f"{what}: column {repeated[0]} is there twice; leave one of them")
    for line, row in rows.items():
        if len(row) != len(header):
            raise DataError(
                f"{what}, line {line}: {len(row)} fields, where the first line names "
                f"{len(header)} columns; put a text that has commas in quotes"
            )
    if not rows:
        raise DataError(f"{what} has no rows")
    table = pd.DataFrame(list(rows.values()), columns=header, index=list(rows), dtype=str)
    check_twice(what, table, table["path"])
    return table


def _numbered(text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line of the file on which it begins."""
    reader, begins = csv.reader(text, strict=True), 1
    for row in reader:
        if row:
            yield begins, row
        # Not the number of the row: blank lines are no rows, and quoted texts may have many lines
        begins = reader.line_num + 1


def check_twice(
    what: str, table: pd.DataFrame, keys: pd.Series, same: Callable[[str, str], bool] = eq
) -> None:
    """Raise DataError where two lines of a CSV file have one key, and their paths are the same."""
    for line in keys.index[keys.duplicated()]:
        before = (keys == keys[line]).idxmax()
        first, again = table.loc[before], table.loc[line]
        if not same(first["path"], again["path"]):
            continue
        told = f"{what}, line {line}: {again['path']} is named twice, first on line {before}"
        if first["path"] != again["path"]:
            told += f" ({first['path']})"
        if "class" in table.columns and first["class"] != again["class"]:
            told += f", there as {first['class']!r} and here as {again['class']!r}"
        raise DataError(told)
