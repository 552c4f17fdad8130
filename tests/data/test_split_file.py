"""Splits as files: written, given back, and refused where they belong to other data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlp.data.dataset import open_index
from mlp.data.sources.arrays import digits
from mlp.data.split import is_drawn, split
from mlp.data.split_file import COLUMNS, apply_split, split_table
from mlp.errors import DataError


@pytest.fixture
def file(image_tree: Path, tmp_path: Path) -> Path:
    """A split of the tree in which validation and test images are taken from train/."""
    table = split_table(open_index(str(image_tree)), split(open_index(str(image_tree)), 0.2, 0))
    table["split"] = np.resize(["train", "val", "test", "train"], len(table))
    path = tmp_path / "split.csv"
    table.to_csv(path, index=False)
    return path


def test_a_drawn_split_comes_back_as_it_was(tmp_path: Path) -> None:
    index = digits()
    for fold in ("none", "2/5"):
        drawn = split(index, 0.2, 3, fold)
        table = split_table(index, drawn)
        assert tuple(table.columns) == COLUMNS and len(table) == 1797
        path = tmp_path / "split.csv"
        table.to_csv(path, index=False)
        back = apply_split(index, str(path))
        assert not is_drawn(back)
        # Whatever the seed: the file decides
        given = split(back, 0.5, 99)
        for side in ("train", "val", "test"):
            np.testing.assert_array_equal(getattr(given, side), getattr(drawn, side))


def test_a_file_takes_the_place_of_the_folders(image_tree: Path, file: Path) -> None:
    index = open_index(str(image_tree), str(file))
    table = pd.read_csv(file).set_index("path")["split"]
    assert list(index.usable["split"]) == list(table[index.usable["path"]])
    assert index.digest != open_index(str(image_tree)).digest


def test_images_that_the_file_does_not_name_are_left_out_and_counted(
    image_tree: Path, file: Path
) -> None:
    table = pd.read_csv(file)
    table[table["path"] != "val/red/2.png"].to_csv(file, index=False)
    index = open_index(str(image_tree), str(file))
    left_out = index.table[index.table["reason"] != ""]
    assert list(left_out["path"]) == ["val/red/2.png"]
    assert list(left_out["reason"]) == ["not named by split.csv"]


def _rename(table: pd.DataFrame) -> pd.DataFrame:
    return table.replace({"path": {"val/red/2.png": "val/red/other.png"}})


def _content(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[3, "sha256"] = "0" * 64
    return table


def _class(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[3, "class"] = "purple"
    return table


def _side(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[3, "split"] = "trainer"
    return table


def _twice(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.iloc[[4]]])


def _column(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="sha256")


def _nothing(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:0]


def _untrained(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[table["class"] == "red", "split"] = "val"
    return table


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_rename, "1 of its 54 images are not in colors, such as val/red/other.png"),
        (_content, "1 images of colors have another content than in the file, such as train/blue"),
        (_class, "1 images of colors have another class than in the file"),
        (_side, "split should be train, val or test, not 'trainer'"),
        (_twice, "line 56: train/blue/2.png is named twice"),
        (_column, "no column sha256; its columns are path, class, split"),
        (_nothing, "has no rows"),
        (_untrained, "has classes that train/ lacks: red"),
    ],
)
def test_a_file_of_other_data_is_refused_in_words(
    image_tree: Path,
    file: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    told: str,
) -> None:
    change(pd.read_csv(file)).to_csv(file, index=False)
    with pytest.raises(DataError) as caught:
        open_index(str(image_tree), str(file))
    assert told in str(caught.value)


def test_fields_without_a_column_are_refused_by_line(image_tree: Path, file: Path) -> None:
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([first, *(f"{line},more" for line in others)]))
    with pytest.raises(DataError, match=r"line 2: 5 fields, where the first line names 4 columns"):
        open_index(str(image_tree), str(file))


def test_a_file_that_is_not_there_or_no_table_is_refused(image_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read: No such file"):
        open_index(str(image_tree), str(tmp_path / "none.csv"))
    (tmp_path / "image.csv").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match=r"image\.csv cannot be read"):
        open_index(str(image_tree), str(tmp_path / "image.csv"))
