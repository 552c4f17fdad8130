"""Splits as CSV files: path, class, split, sha256. Each study writes the one it used."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from mlp.data.index import NOT_IN_SPLIT, SPLITS, DataError, Index
from mlp.data.split import Split
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
    unknown = sorted(set(given["split"]) - set(SPLITS))
    if unknown:
        raise DataError(
            f"split file {file}: split should be train, val or test, not {unknown[0]!r}"
        )
    given = given.set_index("path")
    missing = given.index.difference(index.table["path"])
    if len(missing):
        raise DataError(
            f"split file {file}: {len(missing)} of its {len(given)} images are not in "
            f"{index.name}, such as {missing[0]}; it is the split of other data"
        )
    rows = given.reindex(index.table["path"])
    named = rows["split"].notna().to_numpy()
    for column in ("sha256", "class"):
        other = named & (rows[column].to_numpy() != index.table[column].to_numpy())
        other &= (index.table["reason"] == "").to_numpy()
        if other.any():
            path = index.table.loc[other, "path"].iloc[0]
            raise DataError(
                f"split file {file}: {int(other.sum())} images of {index.name} have another "
                f"{'content' if column == 'sha256' else 'class'} than in the file, such as {path}"
            )
    table = index.table.copy()
    table["split"] = rows["split"].fillna("").to_numpy()
    usable = (table["reason"] == "").to_numpy()
    table.loc[usable & ~named, "reason"] = f"{NOT_IN_SPLIT}{Path(file).name}"
    return replace(index, table=table)


def read_csv(file: str, what: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file of texts with at least these columns and one row a path, by line number.

    Raises DataError, naming the line.
    """
    try:
        with Path(file).expanduser().open(encoding="utf-8-sig", newline="") as text:
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
    twice = table["path"].duplicated()
    if twice.any():
        line = twice.idxmax()
        raise DataError(f"{what} {file}, line {line}: {table['path'][line]} is named twice")
    return table


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
