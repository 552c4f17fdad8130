"""Splits as CSV files: path, class, split, sha256. Each study writes the one it used."""

from __future__ import annotations

import csv
import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from mlp.data.index import SPLITS, Index, Refusal, refuse
from mlp.data.labels import label
from mlp.data.sources.layout import split_named
from mlp.data.split import Split
from mlp.errors import DataError
from mlp.escaping import csv_text, from_cell

COLUMNS = ("path", "class", "split", "sha256")


def split_table(index: Index, split: Split) -> pd.DataFrame:
    """The rows of the images that were used, with the side on which each was."""
    table = index.usable[list(COLUMNS)].reset_index(drop=True)
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
    given = read_csv(file, "split file", COLUMNS).map(from_cell)
    unknown = sorted(name for name in set(given["split"]) if not split_named(name))
    if unknown:
        raise DataError(
            f"split file {file}: split should be train, val or test, not {unknown[0]!r}"
        )
    given["split"] = given["split"].map(split_named)
    given["class"] = given["class"].map(label)
    given["path"] = _own_paths(given["path"], index)
    _check_twice(f"split file {file}", given)
    given = given.set_index("path")
    missing = given.index.difference(index.table["path"])
    if len(missing):
        raise DataError(
            f"split file {file}: {len(missing)} of its {len(given)} images are not in "
            f"{index.name}, such as {missing[0]}; it is the split of other data"
        )
    rows = given.reindex(index.table["path"])
    named = rows["split"].notna().to_numpy()
    usable = (index.table["refusal"] == "").to_numpy()
    classes = index.table["class"].map(label)
    for column, own, word in (
        ("sha256", index.table["sha256"], "content"), ("class", classes, "class"),
    ):  # fmt: skip
        other = named & usable & (rows[column].to_numpy() != own.to_numpy())
        if other.any():
            path = index.table.loc[other, "path"].iloc[0]
            raise DataError(
                f"split file {file}: {int(other.sum())} images of {index.name} have another {word} "
                f"than in the file, such as {path}"
            )
    table = index.table.copy()
    table["split"] = rows["split"].fillna("").to_numpy()
    left = table.loc[usable & ~named, "path"]
    reasons = dict.fromkeys(left, f"not named by {Path(file).name}")
    return refuse(replace(index, table=table), reasons, Refusal.NOT_IN_SPLIT)


def _own_paths(paths: pd.Series, index: Index) -> list[str]:
    """Paths as the index spells them, where it has them in another spelling."""
    own = set(index.table["path"])
    if own.issuperset(paths):
        return list(paths)
    spelled = {_spelling(path): path for path in index.table["path"]}
    return [path if path in own else spelled.get(_spelling(path), path) for path in paths]


def _spelling(path: str) -> str:
    """The one form of all ways to write a path."""
    return os.path.normpath(unicodedata.normalize("NFC", path).replace("\\", "/"))


def named_twice(what: str, table: pd.DataFrame, before: int, line: int) -> DataError:
    """The error for two lines of a CSV file with one path."""
    first, again = table.loc[before], table.loc[line]
    told = f"{what}, line {line}: {again['path']} is named twice, first on line {before}"
    if first["path"] != again["path"]:
        told += f" as {first['path']}"
    if "class" in table.columns and first["class"] != again["class"]:
        told += f", there as {first['class']!r} and here as {again['class']!r}"
    return DataError(told)


def read_csv(file: str, what: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file of texts with at least these columns and one row a path, by line number.

    Raises DataError, naming the line.
    """
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as text:
            lines, rows = _numbered(text)
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{what} {file} cannot be read: {reason}") from None
    if not rows:
        raise DataError(f"{what} {file} cannot be read: it is empty")
    header = rows[0]
    absent = [name for name in columns if name not in header]
    if absent:
        raise DataError(
            f"{what} {file}: no column {', '.join(absent)}; its columns are "
            f"{', '.join(header)}, and should be {', '.join(columns)}"
        )
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise DataError(f"{what} {file}: column {repeated[0]} is there twice; leave one of them")
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{what} {file}, line {line}: {len(row)} fields, where the first line names "
                f"{len(header)} columns; put a text that has commas in quotes"
            )
    if len(rows) == 1:
        raise DataError(f"{what} {file} has no rows")
    table = pd.DataFrame(rows[1:], columns=header, index=lines[1:], dtype=str)
    _check_twice(f"{what} {file}", table)
    return table


def _check_twice(what: str, table: pd.DataFrame) -> None:
    """Raise DataError where two lines have one path."""
    twice = table["path"].duplicated()
    if twice.any():
        line = twice.idxmax()
        before = (table["path"] == table["path"][line]).idxmax()
        raise named_twice(what, table, before, line)


def _numbered(text: TextIO) -> tuple[list[int], list[list[str]]]:
    """The rows that are not blank, and the line of the file on which each begins."""
    reader = csv.reader(text, strict=True)
    lines, rows = [], []
    begins = 1
    for row in reader:
        if row:
            lines.append(begins)
            rows.append(row)
        # Not the number of the row: blank lines are no rows, and quoted texts may have many lines
        begins = reader.line_num + 1
    return lines, rows
