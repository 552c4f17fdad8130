"""The file of decoded images: made once, rebuilt when broken, never left half-written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from mlp.data.image import decode
from mlp.data.index import COLUMNS, DataError, Index, check
from mlp.data.pixels import load_pixels


def make_index(files: dict[str, bytes], read: Callable[[str], bytes] | None = None) -> Index:
    rows = [
        (path, path[0], "", hashlib.sha256(data).hexdigest(), 6, 6, False, "")
        for path, data in sorted(files.items())
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Index("made", table, read or files.__getitem__)


@pytest.fixture
def files() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 6, 6, 3)).astype(np.uint8)
    return {
        f"{'ab'[k % 2]}/{k}.png": cv2.imencode(".png", image)[1].tobytes()
        for k, image in enumerate(images)
    }


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def expected(files: dict[str, bytes], size: int, gray: bool) -> np.ndarray:
    return np.stack([decode(files[path], size, gray) for path in sorted(files)])


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("mlp.data.pixels.decode", fail)


@pytest.mark.parametrize(("gray", "channels"), [(False, 3), (True, 1)])
def test_pixels_are_those_of_decode(files: dict[str, bytes], gray: bool, channels: int) -> None:
    index, pixels = load_pixels(make_index(files), 4, gray)
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable
    assert (pixels.dtype, pixels.shape) == (np.uint8, (12, 4, 4, channels))
    np.testing.assert_array_equal(pixels, expected(files, 4, gray))
    assert list(index.usable["path"]) == sorted(files)


def test_an_image_is_decoded_once(
    files: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = load_pixels(make_index(files), 4, False)
    forbid_decoding(monkeypatch)
    _, second = load_pixels(make_index(files), 4, False)
    np.testing.assert_array_equal(second, first)
    moved = {f"{path[0]}/moved-{path[2:]}": data for path, data in files.items()}
    _, elsewhere = load_pixels(make_index(moved), 4, False)
    np.testing.assert_array_equal(elsewhere, first)
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".npy"]


def test_size_channels_and_content_have_files_of_their_own(
    files: dict[str, bytes], cache: Path
) -> None:
    fewer = dict(list(files.items())[:-1])
    for given, size, gray in (
        (files, 4, False),
        (files, 5, False),
        (files, 4, True),
        (fewer, 4, False),
    ):
        _, pixels = load_pixels(make_index(given), size, gray)
        np.testing.assert_array_equal(pixels, expected(given, size, gray))
    assert len(list(cache.glob("*.npy"))) == 4


def test_damaged_images_are_refused_and_rows_stay_in_order(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = dict(files)
    damaged = [sorted(files)[k] for k in (0, 7)]
    for path in damaged:
        files[path] = files[path][:-60]
        del whole[path]
    for again in (False, True):
        if again:
            forbid_decoding(monkeypatch)
        index, pixels = load_pixels(make_index(files), 4, False)
        np.testing.assert_array_equal(pixels, expected(whole, 4, False))
        assert list(index.usable["path"]) == sorted(whole)
        refused = index.table[index.table["reason"] != ""]
        assert list(refused["path"]) == damaged
        assert refused["reason"].str.startswith("damaged").all()


def test_images_that_are_all_damaged_leave_none(files: dict[str, bytes]) -> None:
    index, pixels = load_pixels(make_index({p: d[:-60] for p, d in files.items()}), 4, True)
    assert pixels.shape == (0, 4, 4, 1)
    with pytest.raises(DataError, match="none of its 12 images"):
        check(index)


def test_a_file_that_could_not_be_read_is_tried_again(files: dict[str, bytes]) -> None:
    missing = sorted(files)[3]

    def read(path: str) -> bytes:
        if path == missing:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path]

    with pytest.raises(DataError, match=f"{missing} cannot be read: No such file"):
        load_pixels(make_index(files, read), 4, False)
    index, pixels = load_pixels(make_index(files), 4, False)
    np.testing.assert_array_equal(pixels, expected(files, 4, False))
    assert (index.table["reason"] == "").all()


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".json", b""),
        (".json", b'{"refused": {'),
        (".json", b"null"),
        (".json", b"{}"),
        (".npy", b""),
        (".npy", b"\x93NUMPY"),
        (".npy", None),
    ],
)
def test_broken_files_are_made_again(
    files: dict[str, bytes], cache: Path, suffix: str, content: bytes | None
) -> None:
    load_pixels(make_index(files), 4, False)
    (broken,) = cache.glob(f"*{suffix}")
    broken.write_bytes(broken.read_bytes()[:-1] if content is None else content)
    for _ in range(2):
        _, pixels = load_pixels(make_index(files), 4, False)
        np.testing.assert_array_equal(pixels, expected(files, 4, False))
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".npy"]


def test_an_interruption_leaves_nothing_behind(files: dict[str, bytes], cache: Path) -> None:
    def read(path: str) -> bytes:
        if path == sorted(files)[5]:
            raise RuntimeError("interrupted")
        return files[path]

    with pytest.raises(RuntimeError, match="interrupted"):
        load_pixels(make_index(files, read), 4, False)
    assert list(cache.iterdir()) == []
    _, pixels = load_pixels(make_index(files), 4, False)
    np.testing.assert_array_equal(pixels, expected(files, 4, False))


def test_a_cache_that_cannot_be_made_is_an_error_that_names_it(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="MLP_CACHE") as caught:
        load_pixels(make_index(files), 4, False)
    assert str(tmp_path / "file" / "cache") in str(caught.value)
