"""A CSV file as a data source: path, class and perhaps split of each image."""

from __future__ import annotations

from pathlib import Path

from mlp.data.index import SPLITS, DataError, Index
from mlp.data.reading import Files, read_files
from mlp.data.split_file import read_csv


def manifest(file: str) -> Index:
    """The images that a CSV file names, by paths that start at its folder, or absolute ones.

    Without a column `split`, validation images are drawn. Raises DataError naming the line.
    """
    table = read_csv(file, "manifest", ("path", "class"))
    if "split" not in table.columns:
        table["split"] = ""
    for column, wrong, right in (
        ("path", table["path"].str.strip() == "", "the path of an image"),
        ("class", table["class"].str.strip() == "", "the name of a class"),
        ("split", ~table["split"].isin([*SPLITS, ""]), f"{', '.join(SPLITS)}, or empty"),
    ):
        if wrong.any():
            line = wrong.idxmax()
            raise DataError(
                f"manifest {file}, line {line}: {column} should be {right}, "
                f"not {table[column][line]!r}"
            )
    given = set(table["split"])
    if "" in given and len(given) > 1:
        line = (table["split"] == "").idxmax()
        raise DataError(
            f"manifest {file}, line {line}: split is empty, but other lines have one; "
            "name it for all images, or for none"
        )
    root = Path(file).expanduser().resolve().parent
    paths = table["path"].str.replace("\\", "/", regex=False)
    files = list(zip(paths, table["class"], table["split"], strict=True))
    index = read_files(root, files)
    return Index(Path(file).stem, index, Files(root))
