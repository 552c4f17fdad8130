"""The file of decoded images: made once, rebuilt when broken, never left half-written."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from mlp.data.images.decoding import decode
from mlp.data.index import COLUMNS, Index, check
from mlp.data.pixels import load_pixels
from mlp.errors import DataError


def make_index(files: dict[str, bytes], read: Callable[[str], bytes] | None = None) -> Index:
    rows = [
        (path, path[0], "", hashlib.sha256(data).hexdigest(), 6, 6, False, 0, "", "")
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


def suffixes(cache: Path) -> list[str]:
    return sorted(path.suffix for path in cache.iterdir() if path.suffix != ".lock")


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
    assert suffixes(cache) == [".bin", ".notes"]


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
    assert len(list(cache.glob("*.bin"))) == 4


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
        (".notes", b""),
        (".notes", b"1 [12, {"),
        (".notes", b"null"),
        (".notes", b"[]"),
        (".bin", b""),
        (".bin", b"cut"),
        (".bin", None),
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
    assert suffixes(cache) == [".bin", ".notes"]


def flip(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 4
    path.write_bytes(raw)


@pytest.mark.parametrize("place", [7, 60, 128, 300, -1])
def test_a_flipped_bit_is_noticed_wherever_it_is(
    files: dict[str, bytes], cache: Path, place: int
) -> None:
    load_pixels(make_index(files), 4, False)
    (data,) = cache.glob("*.bin")
    flip(data, place)
    _, pixels = load_pixels(make_index(files), 4, False)
    np.testing.assert_array_equal(pixels, expected(files, 4, False))


def in_place(files: dict[str, bytes], damaged: str) -> None:
    """Each image that is not refused has its own pixels, whatever the cache holds."""
    index, pixels = load_pixels(make_index(files), 4, False)
    whole = {path: data for path, data in files.items() if path != damaged}
    assert list(index.usable["path"]) == sorted(whole)
    np.testing.assert_array_equal(pixels, expected(whole, 4, False))


@pytest.mark.parametrize("finished", [True, False])
def test_no_flipped_bit_in_what_is_noted_moves_pixels_to_another_image(
    files: dict[str, bytes], cache: Path, finished: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = sorted(files)[5]
    files[damaged] = files[damaged][:-60]
    if finished:
        load_pixels(make_index(files), 4, False)
    else:
        interrupted(files, monkeypatch, at=9)
    left = {path: path.read_bytes() for path in cache.iterdir() if path.suffix != ".lock"}
    (noted,) = (path for path in left if path.suffix == ".notes")
    for place in range(8 * len(left[noted])):
        if chr(left[noted][place // 8]) not in "0123456789":
            continue  # the digits are rows, counts, lengths and checksums
        for path in cache.iterdir():
            path.unlink()
        for path, content in left.items():
            path.write_bytes(content)
        raw = bytearray(left[noted])
        raw[place // 8] ^= 1 << place % 8
        noted.write_bytes(raw)
        in_place(files, damaged)


def test_a_second_interruption_costs_no_more_than_the_first(
    files: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(files, monkeypatch, at=5)
    (notes,) = cache.glob("*.notes")
    notes.write_text(notes.read_text() + "12 [4, {")  # the line that the interruption cut
    interrupted(files, monkeypatch, at=9)
    assert reads(files) == sorted(files)[8:]


def test_blocks_of_large_images_hold_fewer(
    files: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlp.data.pixels._BLOCK_BYTES", 5 * 4 * 4 * 3)
    interrupted(files, monkeypatch, at=11, block=1024)
    assert reads(files) == sorted(files)[10:]


def test_a_disk_that_is_too_small_is_told_before_anything_is_decoded(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_decoding(monkeypatch)
    monkeypatch.setattr(
        "mlp.data.pixels.shutil.disk_usage", lambda _: SimpleNamespace(free=12 * 4 * 4 * 3 - 1)
    )
    told = r"0\.00 GiB left, too little for 12 images of made, decoded with image_size=4"
    with pytest.raises(DataError, match=told) as caught:
        load_pixels(make_index(files), 4, False)
    assert "channels=gray takes a third; or set MLP_CACHE" in str(caught.value)


def test_an_image_for_which_there_is_no_memory_is_named(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mlp.data.pixels.decode", decode)
    with pytest.raises(DataError, match=r"not enough memory to decode a/0\.png"):
        load_pixels(make_index(files), 4, False)


def interrupted(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, at: int, block: int = 4
) -> None:
    """Decode blocks of four until an image cannot be reached."""
    monkeypatch.setattr("mlp.data.pixels._BLOCK", block)

    def read(path: str) -> bytes:
        if path == sorted(files)[at]:
            raise RuntimeError("interrupted")
        return files[path]

    with pytest.raises(RuntimeError, match="interrupted"):
        load_pixels(make_index(files, read), 4, False)


def reads(files: dict[str, bytes]) -> list[str]:
    """The paths that are read to make the pixels, which are compared as well."""
    seen: list[str] = []

    def read(path: str) -> bytes:
        seen.append(path)
        return files[path]

    whole = {path: data for path, data in files.items() if not data.endswith(b"cut")}
    _, pixels = load_pixels(make_index(files, read), 4, False)
    np.testing.assert_array_equal(pixels, expected(whole, 4, False))
    return sorted(seen)


def test_decoding_goes_on_where_it_was_interrupted(
    files: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = sorted(files)[2]
    files[damaged] = files[damaged][:-60] + b"cut"
    interrupted(files, monkeypatch, at=9)
    assert suffixes(cache) == [".notes", ".part"]
    assert reads(files) == sorted(files)[8:]
    assert suffixes(cache) == [".bin", ".notes"]
    assert reads(files) == []


@pytest.mark.parametrize("suffix", [".notes", ".part"])
@pytest.mark.parametrize("harm", ["cut", "flipped", "gone"])
def test_what_an_interruption_left_is_not_trusted(
    files: dict[str, bytes],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    harm: str,
) -> None:
    interrupted(files, monkeypatch, at=9)
    (left,) = cache.glob(f"*{suffix}")
    if harm == "cut":
        left.write_bytes(left.read_bytes()[:-5])
    elif harm == "flipped":
        flip(left, -3)
    else:
        left.unlink()
    # The first block may have survived, the second has not
    assert reads(files) in (sorted(files), sorted(files)[4:])


def test_two_processes_make_one_file(files: dict[str, bytes], cache: Path, tmp_path: Path) -> None:
    root = tmp_path / "images"
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    program = f"""
import hashlib, time
from mlp.data import pixels
from mlp.data.sources.files import folder
decode = pixels.decode
def slow(*arguments):
    time.sleep(0.1)
    return decode(*arguments)
pixels.decode = slow
_, made = pixels.load_pixels(folder({str(root)!r}), 4, False)
print(hashlib.sha256(made.tobytes()).hexdigest())
"""
    command = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    digests = {process.communicate(timeout=60)[0].split()[-1] for process in processes}
    assert digests == {hashlib.sha256(expected(files, 4, False).tobytes()).hexdigest()}
    assert len(list(cache.glob("*.bin"))) == 1


def test_a_cache_that_cannot_be_made_is_an_error_that_names_it(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="MLP_CACHE") as caught:
        load_pixels(make_index(files), 4, False)
    assert str(tmp_path / "file" / "cache") in str(caught.value)
