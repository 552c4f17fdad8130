"""What is remembered of files, and when it is not believed: whatever keeps its size and dates."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from mlp.data import reading
from mlp.data.dataset import load, open_index, reread
from mlp.data.images.decoding import decode
from mlp.data.pixels import Changed
from mlp.data.sources.files import folder
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig

LONG_AGO = (1577836800, 1577836800)


def bmp(level: int) -> bytes:
    return cv2.imencode(".bmp", np.full((6, 6, 3), level, np.uint8))[1].tobytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four BMP files of one length and one date, no two alike."""
    for number in range(4):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bmp(number * 50))
        os.utime(path, LONG_AGO)
    return tmp_path / "data"


def repair(root: Path) -> None:
    """In place, the date put back."""
    with (root / "a/0.bmp").open("r+b") as file:
        file.write(bmp(222))
    os.utime(root / "a/0.bmp", LONG_AGO)


def replace(root: Path) -> None:
    """As unzip and rsync do it: another file of that name."""
    (root / "new").write_bytes(bmp(222))
    os.utime(root / "new", LONG_AGO)
    (root / "new").replace(root / "a/0.bmp")


def swap(root: Path) -> None:
    (root / "a/0.bmp").rename(root / "third")
    (root / "b/1.bmp").rename(root / "a/0.bmp")
    (root / "third").rename(root / "b/1.bmp")


def pixels_on_disk(root: Path) -> None:
    """What would be trained on is what lies there."""
    index = folder(str(root))
    _, data = load(index, resolve(RunConfig(data=str(root), val_fraction=0.5), index))
    for row, path in enumerate(data.ids):
        expected = decode((root / path).read_bytes(), 6, True)
        np.testing.assert_array_equal(data.pixels[row][..., :1], expected)


@pytest.mark.parametrize("change", [repair, replace, swap])
@pytest.mark.parametrize("tick", [0, reading._TICK])
@pytest.mark.skipif(os.name == "nt", reason="files that are open cannot be replaced there")
def test_no_old_pixels_outlive_new_bytes(
    root: Path, change: Callable[[Path], None], tick: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_TICK", tick)
    pixels_on_disk(root)
    time.sleep(0.05)  # a tick of the kernel's clock, where files just written are trusted
    change(root)
    pixels_on_disk(root)


@pytest.mark.parametrize("kind", ["exfat", "fuse.sshfs", "nt"])
def test_where_no_such_dates_are_kept_content_is_compared(
    root: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_TICK", 0)
    # Of every file the same, whatever is done to it
    monkeypatch.setattr(reading, "_state", lambda _: (len(bmp(0)), 1, 1, 1))
    if kind == "nt":
        monkeypatch.setattr(reading, "os", SimpleNamespace(**vars(os) | {"name": "nt"}))
    else:
        mount = SimpleNamespace(mountpoint=str(root.parent), fstype=kind)
        monkeypatch.setattr(reading.psutil, "disk_partitions", lambda **_: [mount])
    rows = [(f"{'ab'[n % 2]}/{n}.bmp", "ab"[n % 2], "", "") for n in (0, 2, 1, 3)]
    files = pd.DataFrame(rows, columns=list(reading.TO_READ))
    before = reading.read_files(root, files)
    (root / "a/0.bmp").write_bytes(bmp(222))
    after = reading.read_files(root, files)
    assert list(before["sha256"] != after["sha256"]) == [True, False, False, False]


def test_where_they_are_kept_nothing_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_TICK", 0)
    mounts = [SimpleNamespace(mountpoint=str(root.parent), fstype="ext4")]
    mounts += [SimpleNamespace(mountpoint=root.anchor, fstype="vfat")]
    monkeypatch.setattr(reading.psutil, "disk_partitions", lambda **_: mounts)
    first = folder(str(root))
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    assert folder(str(root)).digest == first.digest


def test_a_file_written_a_moment_before_it_was_read_is_read_once_more(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: read.append(p.name) or read_bytes(p))
    folder(str(root))
    folder(str(root))
    assert len(read) == 8
    monkeypatch.setattr(reading.time, "time_ns", lambda: time.time() * 1e9 + 3e9)
    folder(str(root))
    assert len(read) == 12
    folder(str(root))
    assert len(read) == 12


def test_a_moved_folder_and_a_copied_cache_are_looked_at_anew(root: Path, tmp_path: Path) -> None:
    pixels_on_disk(root)
    root.rename(tmp_path / "other")
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    for number in range(4):  # others, of the same size and date, where the first ones were
        path = root / "ab"[number % 2] / f"{number}.bmp"
        path.write_bytes(bmp(200 - number))
        os.utime(path, LONG_AGO)
    pixels_on_disk(root)
    pixels_on_disk(tmp_path / "other")


def test_a_file_that_changes_before_it_is_decoded_is_indexed_again_by_itself(root: Path) -> None:
    config, tries = RunConfig(data=str(root), val_fraction=0.5), []

    def make() -> tuple[str, np.ndarray]:
        index = open_index(str(root))
        if not tries:
            repair(root)
        tries.append(index.digest)
        index, data = load(index, resolve(config, index))
        return index.digest, data.pixels

    digest, pixels = reread(make)
    assert len(tries) == 2 and digest == tries[1] != tries[0]
    np.testing.assert_array_equal(pixels[0], np.full((6, 6, 3), 222))

    def always() -> None:
        (root / "b/3.bmp").write_bytes(bmp(100 + len(tries)))
        index = open_index(str(root))
        (root / "b/3.bmp").write_bytes(bmp(10 + len(tries)))
        tries.append("")
        load(index, resolve(config, index))

    with pytest.raises(Changed, match=r"b/3\.bmp changed while it was being read: run it again"):
        reread(always)
    assert len(tries) == 4


def test_paths_outside_of_the_folder_of_a_list_are_remembered(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_TICK", 0)
    rows = [(str(root / "a/0.bmp"), "a", "", ""), (str(root / "b/1.bmp"), "b", "", "")]
    files = pd.DataFrame(rows, columns=list(reading.TO_READ))
    first = reading.read_files(tmp_path, files)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    assert reading.read_files(tmp_path, files).equals(first)
