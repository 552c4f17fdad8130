"""Splits as CSV files: path, class, split, sha256. Each study writes the one it used."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mlp.data.index import NOT_IN_SPLIT, SPLITS, DataError, Index
from mlp.data.split import Split

COLUMNS = ("path", "class", "split", "sha256")


def split_table(index: Index, split: Split) -> pd.DataFrame:
    """The rows of the usable images, with the side on which each was."""
    table = index.usable[list(COLUMNS)].reset_index(drop=True)
    sides = table["split"].to_numpy(dtype=object)
    for name in SPLITS:
        sides[getattr(split, name)] = name
    table["split"] = sides
    return table


def apply_split(index: Index, file: str) -> Index:
    """The index with the sides that a file names; images that it does not name are left out.

    Raises DataError when the file is no split, or one of other images.
    """
    given = read_csv(file, "split file", COLUMNS)
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
    return Index(index.name, table, index.read, index.notes)


def read_csv(file: str, what: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file of texts with at least these columns and one row a path. Raises DataError."""
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{what} {file} cannot be read: {reason}") from None
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise DataError(
            f"{what} {file}: no column {', '.join(absent)}; its columns are "
            f"{', '.join(map(str, table.columns))}, and should be {', '.join(columns)}"
        )
    if table.empty:
        raise DataError(f"{what} {file} has no rows")
    twice = table["path"].duplicated()
    if twice.any():
        line = int(twice.to_numpy().argmax()) + 2
        raise DataError(f"{what} {file}, line {line}: {table['path'][line - 2]} is named twice")
    return table
