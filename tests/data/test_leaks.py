"""Copies across splits: found by their bytes, and dealt with as asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mlp.data.audit.remarks import remarks
from mlp.data.dataset import load, open_index
from mlp.data.split import find_leaks
from mlp.errors import DataError
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig

SKIN = Path(__file__).parents[3] / "shared" / "data" / "skin-smol"
needs_skin = pytest.mark.skipif(not SKIN.is_dir(), reason="the exercise's pictures are not here")


@pytest.fixture
def leaking(image_tree: Path) -> Path:
    """Two of 18 validation images are copies, one under another class; so is a test image."""
    train = image_tree / "train"
    shutil.copy(train / "red" / "0.png", image_tree / "val" / "red" / "copy.png")
    shutil.copy(train / "red" / "1.png", image_tree / "val" / "blue" / "copy.png")
    for name in ("red", "blue", "green"):
        (image_tree / "test" / name).mkdir(parents=True)
        shutil.copy(image_tree / "val" / name / "0.png", image_tree / "test" / name / "t.png")
    return image_tree


def test_each_copy_is_named_with_what_it_copies(leaking: Path) -> None:
    leaks = find_leaks(open_index(str(leaking)))
    assert [tuple(row) for row in leaks.itertuples(index=False)] == [
        ("val/blue/copy.png", "val", "train/red/1.png"),
        ("val/red/copy.png", "val", "train/red/0.png"),
        ("test/blue/t.png", "test", "val/blue/0.png"),
        ("test/green/t.png", "test", "val/green/0.png"),
        ("test/red/t.png", "test", "val/red/0.png"),
    ]


def test_leaks_are_announced_in_a_line_each(leaking: Path) -> None:
    index = open_index(str(leaking))
    assert [str(r) for r in remarks(index, RunConfig(data=str(leaking)))][1:] == [
        "colors: 2 of 20 validation images are copies of training images, byte for byte: "
        "accuracies on this split flatter",
        "colors: 3 of 3 test images are copies of training or validation images, byte for byte: "
        "their scores will flatter",
    ]


def test_dropped_copies_leave_validation_and_test_and_are_listed(leaking: Path) -> None:
    index = open_index(str(leaking), on_leak="drop")
    assert len(index.usable) == 36 + 18 and find_leaks(index).empty
    assert index.digest != open_index(str(leaking)).digest
    _, line = remarks(index, RunConfig(data=str(leaking)))
    assert "5 validation or test images left out: they are copies" in str(line)
    config = resolve(RunConfig(data=str(leaking)), index)
    _, data = load(index, config)
    assert (len(data.split.train), len(data.split.val), len(data.split.test)) == (36, 18, 0)
    assert len(data.leaked) == 0


def test_a_validation_side_of_copies_alone_is_refused(image_tree: Path) -> None:
    for name in ("red", "blue", "green"):
        shutil.rmtree(image_tree / "val" / name)
        shutil.copytree(image_tree / "train" / name, image_tree / "val" / name)
    with pytest.raises(DataError, match="every validation image is a copy"):
        open_index(str(image_tree), on_leak="drop")


def test_an_error_names_the_copies_and_the_way_out(leaking: Path) -> None:
    with pytest.raises(
        DataError, match=r"val/blue/copy\.png: a copy of train/red/1\.png"
    ) as caught:
        open_index(str(leaking), on_leak="error")
    assert "on_leak=drop" in str(caught.value) and "and 2 more" in str(caught.value)


@pytest.mark.parametrize("on_leak", ["warn", "drop", "error"])
def test_sound_data_are_left_alone(image_tree: Path, on_leak: str) -> None:
    index = open_index(str(image_tree), on_leak=on_leak)  # type: ignore[arg-type]
    assert len(index.usable) == 54 and find_leaks(index).empty


def test_leaked_rows_are_known_to_the_data_set(leaking: Path) -> None:
    index = open_index(str(leaking))
    _, data = load(index, resolve(RunConfig(data=str(leaking)), index))
    assert list(data.ids[data.leaked]) == ["val/blue/copy.png", "val/red/copy.png"]
    assert set(data.leaked) <= set(data.split.val)
    # Folds keep copies on one side
    config = resolve(RunConfig(data=str(leaking), fold="1/3"), index)
    assert len(load(index, config)[1].leaked) == 0


@needs_skin
def test_the_exercises_pictures_leak_33_of_181() -> None:
    index = open_index(str(SKIN))
    leaks = find_leaks(index)
    assert len(leaks) == 33 and set(leaks["split"]) == {"val"}
    assert (index.usable["split"] == "val").sum() == 181
    dropped = open_index(str(SKIN), on_leak="drop").usable
    assert (dropped["split"] == "val").sum() == 148
    assert np.count_nonzero(dropped["split"] == "train") == 697
