"""From a source to a data set: sizes and channels resolved, labels, and remarks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mlp.data.audit.remarks import remarks
from mlp.data.dataset import load, open_index
from mlp.data.images.decoding import decode
from mlp.errors import DataError, SettingsError
from mlp.learning.resolution import resolve
from mlp.settings.base import ConfigError
from mlp.settings.training import RunConfig


def put(path: Path, level: int, width: int = 6, height: int = 6, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (level, 0, 255 - level)).convert(mode).save(path)


def config(root: Path, **fields: object) -> RunConfig:
    return RunConfig.parse({"data": str(root), **fields})


@pytest.mark.parametrize(
    ("width", "height", "side"), [(20, 30, 30), (30, 20, 30), (64, 10, 64), (65, 10, 64)]
)
def test_auto_size_is_64_or_the_longest_side_if_smaller(
    tmp_path: Path, width: int, height: int, side: int
) -> None:
    put(tmp_path / "data/a/0.png", 0, width, height)
    put(tmp_path / "data/b/0.png", 9)
    index = open_index(str(tmp_path / "data"))
    assert resolve(config(tmp_path), index).image_size == side
    assert resolve(config(tmp_path, image_size=7), index).image_size == 7


def test_auto_channels_are_gray_when_every_image_is(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for level, name in enumerate("ab"):
        put(root / name / "0.png", level, mode="L")
    index = open_index(str(root))
    assert resolve(config(root), index).channels == "gray"
    assert resolve(config(root, channels="rgb"), index).channels == "rgb"
    put(root / "b/1.png", 9)
    index = open_index(str(root))
    assert resolve(config(root), index).channels == "rgb"
    assert resolve(config(root, channels="gray"), index).channels == "gray"


def test_resolving_changes_nothing_else(image_tree: Path) -> None:
    before = config(image_tree, seed=3, hidden="7,5", device="cpu", threads=2)
    after = resolve(before, open_index(str(image_tree)))
    decided = {"image_size": "20", "channels": "rgb"}
    assert after.as_text() == before.as_text() | decided
    assert list(after.as_text()) == list(before.as_text())
    assert resolve(after, open_index(str(image_tree))) == after


@pytest.mark.parametrize("left", ["image_size", "channels", "device", "threads"])
def test_what_is_resolved_leaves_nothing_to_be_decided(left: str) -> None:
    resolved = resolve(RunConfig(), open_index("digits"))
    with pytest.raises(ConfigError, match=left):
        resolved.changed({left: getattr(RunConfig(), left)})


@pytest.mark.skipif(torch.cuda.is_available(), reason="has the device that should be missing")
def test_missing_device_is_the_users_error() -> None:
    index = open_index("digits")
    with pytest.raises(SettingsError, match="use cpu or auto"):
        resolve(RunConfig(device="cuda"), index)
    assert resolve(RunConfig(), index).device == "cpu"
    assert resolve(RunConfig(device="cuda"), index, here=False).device == "cuda"


def test_threads_follow_from_the_size_of_the_network_alone() -> None:
    index, former = open_index("digits"), torch.get_num_threads()
    try:
        for present in (1, 4):
            torch.set_num_threads(present)
            assert resolve(RunConfig(device="cpu"), index).threads == 1
            assert resolve(RunConfig(device="cpu", hidden=(2048, 1024)), index).threads == 2
            assert resolve(RunConfig(device="cpu", threads=3), index).threads == 3
    finally:
        torch.set_num_threads(former)


@pytest.mark.parametrize(("channels", "depth"), [("rgb", 3), ("gray", 1)])
def test_ids_labels_and_pixels_agree(image_tree: Path, channels: str, depth: int) -> None:
    index = open_index(str(image_tree))
    index, data = load(index, resolve(config(image_tree, channels=channels), index))
    assert data.classes == ("blue", "green", "red")
    assert data.shape == (depth, 20, 20)
    assert data.digest == index.digest
    assert data.labels.dtype == np.int64
    assert len(data.ids) == 54
    for name, label, pixels in zip(data.ids, data.labels, data.pixels, strict=True):
        assert name.split("/")[1] == data.classes[label]
        file = (image_tree / name).read_bytes()
        np.testing.assert_array_equal(pixels, decode(file, 20, channels == "gray"))
    if channels == "rgb":  # the tree raises the channel that a class is named for
        np.testing.assert_array_equal(data.pixels.mean((1, 2)).argmax(1), 2 - data.labels)
    for part, rows, count in (("train", data.split.train, 36), ("val", data.split.val, 18)):
        assert len(rows) == count
        assert {name.split("/")[0] for name in data.ids[rows]} == {part}


def test_an_image_damaged_behind_its_header_is_left_out(image_tree: Path) -> None:
    damaged = image_tree / "train/green/3.png"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    index = open_index(str(image_tree))
    settings = resolve(config(image_tree), index)
    assert [remark.kind for remark in remarks(index, settings)] == ["layout_splits"]
    index, data = load(index, settings)
    assert "train/green/3.png" not in data.ids
    assert len(data.ids) == len(data.labels) == len(data.pixels) == 53
    assert (len(data.split.train), len(data.split.val)) == (35, 18)
    np.testing.assert_array_equal(data.pixels.mean((1, 2)).argmax(1), 2 - data.labels)
    line = str(remarks(index, settings)[-1])
    assert line.startswith("colors: 1 of 54 images left out: train/green/3.png: damaged")


def test_too_many_damaged_images_are_an_error(image_tree: Path) -> None:
    for number in range(6):
        damaged = image_tree / f"train/green/{number}.png"
        damaged.write_bytes(damaged.read_bytes()[:-100])
    index = open_index(str(image_tree))
    with pytest.raises(DataError, match="6 of 54 images cannot be used"):
        load(index, resolve(config(image_tree), index))


def test_validation_images_that_will_not_fit_are_told_before_they_are_decoded(
    image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlp.data.dataset.free_memory", lambda: 18 * 20 * 20 * 3 - 1)
    config, index = RunConfig(data=str(image_tree)), open_index(str(image_tree))
    with pytest.raises(DataError, match="too little for 18 images of colors, decoded with image_s"):
        load(index, resolve(config, index))
    assert not list((tmp_path / "cache").glob("pixels-*"))
    load(index, resolve(config.changed({"channels": "gray"}), index))


def test_digits_need_no_folder() -> None:
    index = open_index("digits")
    settings = resolve(RunConfig(), index)
    assert (settings.image_size, settings.channels) == (8, "gray")
    _, data = load(index, settings)
    assert data.pixels.shape == (1797, 8, 8, 1)
    assert len(data.split.val) == round(0.2 * 1797)
    (line,) = remarks(index, settings)
    assert "draws 20% of the training images" in str(line)


def test_copies_across_the_splits_are_remarked(image_tree: Path) -> None:
    settings = config(image_tree)
    (understood,) = remarks(open_index(str(image_tree)), settings)
    assert str(understood) == (
        "colors: understood as splits, train 36, val 18, with 3 classes (blue, green, red)"
    )
    for number, target in enumerate(("val/red/copy", "val/red/again", "val/blue/copy")):
        shutil.copy(image_tree / f"train/red/{number // 2}.png", image_tree / f"{target}.png")
    _, line = remarks(open_index(str(image_tree)), settings)
    assert "3 of 21 validation images are copies of training images" in str(line)


def test_what_a_person_should_know_is_remarked(image_tree: Path) -> None:
    shutil.rmtree(image_tree / "val/green")
    (image_tree / "models").mkdir()
    for number in range(2):
        (image_tree / f"train/red/fake{number}.jpg").write_text("not a picture")
    lines = "\n".join(map(str, remarks(open_index(str(image_tree)), config(image_tree))))
    assert "3 classes (blue, green, red); passed over, with so many images: models/ (0)" in lines
    assert "colors: 2 of 50 images left out: train/red/fake0.jpg: not an image" in lines
    assert "colors: no validation images of green" in lines
    shutil.rmtree(image_tree / "val")
    drawn = config(image_tree, val_fraction=0.3)
    assert "each seed draws 30%" in str(remarks(open_index(str(image_tree)), drawn)[-1])
