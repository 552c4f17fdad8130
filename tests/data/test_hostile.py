"""Broken folders, and folders made to break something: nothing crashes, every case is named."""

from __future__ import annotations

import errno
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mlp.config import RunConfig
from mlp.data import reading
from mlp.data.dataset import load, open_index, resolve, source
from mlp.data.image import UnreadableImage, decode, read_header
from mlp.data.index import DataError, Index
from mlp.data.remarks import remarks
from tests.conftest import colored_image, write_image

ROOT = Path(__file__).parents[2]
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that claims a size, whatever it holds: 8-bit gray."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def reasons(index: Index) -> dict[str, str]:
    refused = index.table[index.table["reason"] != ""]
    return dict(zip(refused["path"], refused["reason"], strict=True))


def said(root: Path) -> str:
    index = open_index(str(root))
    return "\n".join(remarks(index, RunConfig(data=str(root))))


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    bomb = png(60_000, 60_000, zlib.compress(bytes(60_000 * 100)))
    assert len(bomb) < 20_000
    for read in (read_header, lambda data: decode(data, 8, True)):
        with pytest.raises(UnreadableImage, match=r"^more than 120 million pixels"):
            read(bomb)


def test_a_picture_that_promises_more_than_it_holds_is_damaged() -> None:
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(png(10_000, 10_000, zlib.compress(b"few")), 8, True)


@pytest.mark.parametrize("size", [(100_000_000, 1), (1, 100_000_000), (1_000_001, 1)])
def test_a_picture_of_endless_length_is_refused_by_its_header(size: tuple[int, int]) -> None:
    for read in (read_header, lambda data: decode(data, 8, True)):
        with pytest.raises(UnreadableImage, match=r"^a side of more than 1 million pixels"):
            read(png(*size, zlib.compress(bytes(100))))


def test_a_hundred_megapixels_are_read() -> None:
    buffer = io.BytesIO()
    Image.new("1", (10_000, 10_000), 1).save(buffer, "png")
    assert read_header(buffer.getvalue()).width == 10_000
    assert (decode(buffer.getvalue(), 8, True) == 255).all()


def test_a_gigabyte_is_refused_unread(image_tree: Path) -> None:
    with (image_tree / "train" / "red" / "huge.jpg").open("wb") as file:
        file.truncate(2**30)  # takes no room on the disk
    index = open_index(str(image_tree))
    assert reasons(index) == {"train/red/huge.jpg": "1024 MiB, more than 256"}
    assert "huge.jpg (1024 MiB, more than 256)" in said(image_tree)


@links
def test_links_are_followed_and_loops_are_not(image_tree: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for number in range(3):
        write_image(store / f"{number}.png", colored_image(0, np.random.default_rng(number)))
    red = image_tree / "train" / "red"
    (red / "out.png").symlink_to(store / "0.png")
    (red / "folder").symlink_to(store)
    (red / "again").symlink_to(store)
    (red / "circle").symlink_to(red)
    (red / "up").symlink_to(image_tree.parent)
    (red / "self.png").symlink_to(red / "self.png")
    (red / "gone.png").symlink_to(red / "nothing.png")
    (red / "inside.png").symlink_to(red / "0.png")
    (image_tree / "train" / "purple").symlink_to(store)
    index = open_index(str(image_tree))
    usable = set(index.usable["path"])
    assert {"train/red/out.png", "train/red/inside.png", "train/purple/1.png"} <= usable
    # By one of the two links: what a folder holds is read once
    assert {p for p in usable if "red/" in p and p.count("/") > 2} == {
        f"train/red/again/{n}.png" for n in range(3)
    }
    assert index.classes == ("blue", "green", "purple", "red")
    assert reasons(index) == dict.fromkeys(
        ("train/red/gone.png", "train/red/self.png"), "a link that leads nowhere, or in a circle"
    )
    text = said(image_tree)
    assert "2 links lead nowhere, or in a circle, the first: train/red/gone.png" in text
    assert "3 links lead to folders that are read already" in text


@links
def test_links_that_leave_the_folder_can_be_refused(image_tree: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    write_image(store / "0.png", colored_image(0, np.random.default_rng(0)))
    red = image_tree / "train" / "red"
    (red / "out.png").symlink_to(store / "0.png")
    (red / "folder").symlink_to(store)
    (red / "inside.png").symlink_to(red / "0.png")
    (image_tree / "train" / "purple").symlink_to(store)
    index = open_index(str(image_tree), links="inside")
    assert reasons(index) == {
        "train/red/out.png": "a link that leads out of the folder (links=inside)"
    }
    assert "train/red/inside.png" in set(index.usable["path"])
    assert index.classes == ("blue", "green", "red")
    (note,) = index.notes[:1]
    assert note.startswith("3 links that lead out of the folder were refused (links=inside)")
    file = image_tree / "train" / "list.csv"
    file.write_text(f"path,class\n../val/red/0.png,a\n{store}/0.png,b\nred/out.png,b\n")
    assert len(source(str(file)).usable) == 3
    with pytest.raises(DataError, match=r"no image of it may be read\n  3 links"):
        source(str(file), links="inside")


@links
def test_folders_linked_over_and_over_are_read_once(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for cls in ("a", "b"):
        write_image(root / cls / "0.png", colored_image(0, np.random.default_rng(0)))
    place = root / "a"
    for level in range(30):  # 2 to the power of 30 paths
        (tmp_path / f"level {level}").mkdir()
        for name in ("x", "y"):
            (place / name).symlink_to(tmp_path / f"level {level}")
        place = tmp_path / f"level {level}"
    index = open_index(str(root))
    assert len(index.table) == 2
    assert "30 links lead to folders that are read already" in " ".join(index.notes)


@links
def test_the_reason_is_in_the_error_where_every_link_is_broken(tmp_path: Path) -> None:
    for cls in ("a", "b"):
        (tmp_path / "data" / cls).mkdir(parents=True)
        for number in range(30):
            (tmp_path / "data" / cls / f"{number}.png").symlink_to(tmp_path / "gone" / f"{number}")
    with pytest.raises(DataError) as caught:
        open_index(str(tmp_path / "data"))
    assert "60 links lead nowhere, or in a circle, the first: a/0.png" in str(caught.value)
    assert str(caught.value).count("\n") == 1


def test_what_may_not_be_read_is_listed(image_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes, scandir = Path.read_bytes, os.scandir

    def forbid(path: Path) -> bytes:
        if path.name == "0.png" and "red" in path.parts and "train" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read_bytes(path)

    def closed(path: object):  # type: ignore[no-untyped-def]
        if str(path).endswith("val/blue"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "read_bytes", forbid)
    monkeypatch.setattr(os, "scandir", closed)
    index = open_index(str(image_tree))
    assert reasons(index) == {"train/red/0.png": "cannot be read: Permission denied"}
    assert "the folder val/blue/ cannot be read: Permission denied" in said(image_tree)
    monkeypatch.undo()
    monkeypatch.setenv("MLP_CACHE", str(image_tree.parent / "cache"))
    # It was not remembered as unreadable
    assert reasons(open_index(str(image_tree))) == {}


def test_a_root_that_may_not_be_read_is_named(
    image_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(DataError, match=r"colors cannot be read: Permission denied"):
        open_index(str(image_tree))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8_are_passed_over(image_tree: Path) -> None:
    red = image_tree / "train" / "red"
    Path(os.fsdecode(os.fsencode(red) + b"/caf\xe9.png")).write_bytes((red / "0.png").read_bytes())
    assert r"1 file whose name is not UTF-8 was passed over: rename train/red/caf\udce9.png" in (
        said(image_tree)
    )


def test_a_file_that_grows_while_it_is_read_is_refused(
    image_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bytes = Path.read_bytes

    def growing(path: Path) -> bytes:
        return read_bytes(path) + (b"more" if path.name == "0.png" else b"")

    monkeypatch.setattr(reading.Path, "read_bytes", growing)
    found = reading.read_files(
        image_tree, [("train/red/0.png", "red", ""), ("val/red/1.png", "red", "")]
    )
    assert list(found["reason"]) == ["changed while it was being read", ""]


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_file_that_changes_after_it_was_indexed_is_not_trained_on(
    image_tree: Path, harm: str
) -> None:
    index = open_index(str(image_tree))
    victim = image_tree / "train" / "red" / "3.png"
    if harm == "gone":
        victim.unlink()
    else:
        victim.write_bytes((image_tree / "train" / "blue" / "3.png").read_bytes())
    told = {"changed": "changed while it was being read: run it again", "gone": "cannot be read"}
    with pytest.raises(DataError, match=f"train/red/3.png {told[harm]}"):
        load(index, resolve(RunConfig(data=str(image_tree)), index))
    again = open_index(str(image_tree))
    _, data = load(again, resolve(RunConfig(data=str(image_tree)), again))
    assert len(data.pixels) == (53 if harm == "gone" else 54)


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from mlp.config import RunConfig
from mlp.data.dataset import load, open_index, resolve
from mlp.data.index import DataError
index = open_index(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    load(index, resolve(RunConfig(data=sys.argv[1]), index))
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_is_full_says_what_to_do_and_leaves_nothing_wrong(
    image_tree: Path, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(image_tree)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "File too large; make room, or set MLP_CACHE to a folder" in done.stdout
    assert not list((tmp_path / "cache").glob("*.npy"))
    index = open_index(str(image_tree))
    _, data = load(index, resolve(RunConfig(data=str(image_tree)), index))
    for row in (0, 53):
        expected = decode((image_tree / data.ids[row]).read_bytes(), 20, False)
        np.testing.assert_array_equal(data.pixels[row], expected)


def test_a_damaged_memory_of_the_index_is_read_anew(image_tree: Path, tmp_path: Path) -> None:
    before = open_index(str(image_tree)).table
    (memory,) = (tmp_path / "cache").glob("index-*.parquet")
    whole = memory.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 40):
        raw = bytearray(whole)
        raw[place] ^= 1 << int(rng.integers(8))
        memory.write_bytes(raw)
        assert open_index(str(image_tree)).table.equals(before)
        memory.write_bytes(whole[:place])
        assert open_index(str(image_tree)).table.equals(before)


def test_whatever_arrow_says_of_a_damaged_memory_it_is_read_anew(
    image_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_index(str(image_tree)).table

    def read_table(*_: object, **__: object) -> None:
        # What a flipped bit in the file's footer has been seen to give: no OSError, no ValueError
        raise pa.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    monkeypatch.setattr(reading.pq, "read_table", read_table)
    assert open_index(str(image_tree)).table.equals(before)


def test_an_interrupted_index_goes_on_where_it_was(
    image_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 10)
    monkeypatch.setattr(reading, "_TICK", 0)
    read: list[str] = []
    read_bytes = Path.read_bytes

    def counting(path: Path) -> bytes:
        read.append(path.name)
        if len(read) == 35:
            raise KeyboardInterrupt
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counting)
    with pytest.raises(KeyboardInterrupt):
        open_index(str(image_tree))
    read.clear()
    monkeypatch.setattr(Path, "read_bytes", lambda p: read.append(p.name) or read_bytes(p))
    assert len(open_index(str(image_tree)).table) == 54
    assert len(read) == 54 - 30
