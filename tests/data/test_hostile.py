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
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from mlp.data import reading, remembered
from mlp.data.audit.remarks import remarks
from mlp.data.dataset import load, open_index
from mlp.data.images.decoding import decode, read_header
from mlp.data.index import Index
from mlp.errors import DataError, UnreadableImage
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig
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
    return "\n".join(map(str, remarks(index, RunConfig(data=str(root)))))


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
    assert "huge.jpg: 1024 MiB, more than 256" in said(image_tree)


@pytest.fixture
def linked(image_tree: Path, tmp_path: Path) -> Path:
    """Links to files and folders, inside and out, broken ones, and circles."""
    outside = tmp_path / "outside"
    write_image(outside / "mine.png", colored_image(0, np.random.default_rng(0)))
    red = image_tree / "train" / "red"
    (red / "out.png").symlink_to(outside / "mine.png")
    (red / "folder").symlink_to(outside)
    (red / "again").symlink_to(outside)
    (red / "circle").symlink_to(red)
    (red / "all").symlink_to(image_tree.parent)
    (red / "self.png").symlink_to(red / "self.png")
    (red / "gone.png").symlink_to(red / "nothing.png")
    (red / "gone").symlink_to(red / "nothing")
    (red / "inside.png").symlink_to(red / "0.png")
    return image_tree


@links
def test_links_are_followed_but_not_in_circles(linked: Path) -> None:
    index = open_index(str(linked))
    made = set(index.usable["path"]) - {f"train/red/{n}.png" for n in range(12)}
    made = {path.removeprefix("train/red/") for path in made if path.startswith("train/red/")}
    assert made == {"out.png", "again/mine.png", "inside.png"}
    lost = "a link that leads nowhere, or in a circle"
    assert reasons(index) == dict.fromkeys(["train/red/gone.png", "train/red/self.png"], lost)
    text = said(linked)
    assert "1 link leads nowhere, or in a circle: train/red/gone" in text
    assert "3 links lead to folders that are read already" in text and "train/red/all" in text


@links
def test_no_link_leads_out_where_that_is_refused(linked: Path) -> None:
    index = open_index(str(linked), links="inside")
    assert not [path for path in index.usable["path"] if "mine" in path or "out" in path]
    assert "train/red/inside.png" in set(index.usable["path"])
    assert "links=inside refuses" in reasons(index)["train/red/out.png"]
    text = "\n".join(map(str, index.notes))
    # The folder `all` leads to is around this one: out of it, too
    assert "3 links lead out of the folder, which links=inside refuses" in text
    assert "the first: train/red/again" in text and "train/red/gone" in text


@links
def test_links_that_multiply_are_walked_once(image_tree: Path) -> None:
    deep = image_tree / "train" / "red"
    for level in range(40):
        (deep / f"{level}").mkdir()
        for name in "ab":
            (deep / f"{level}" / name).symlink_to(f"../{level + 1}")
    assert len(open_index(str(image_tree)).table) == 54


@links
def test_data_of_nothing_but_links_are_read_as_they_are(image_tree: Path, tmp_path: Path) -> None:
    """The layouts of DVC, of Hugging Face's cache and of `ln -s`."""
    by_file, by_class, by_split = (tmp_path / name for name in ("files", "classes", "splits"))
    for path in sorted(image_tree.rglob("*.png")):
        link = by_file / path.relative_to(image_tree)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    for part in ("train", "val"):
        (by_class / part).mkdir(parents=True)
        for cls in (image_tree / part).iterdir():
            (by_class / part / cls.name).symlink_to(cls)
    by_split.mkdir()
    for part in ("train", "val"):
        (by_split / part).symlink_to(image_tree / part)
    expected = open_index(str(image_tree)).digest
    for root in (by_file, by_class, by_split):
        assert open_index(str(root)).digest == expected
        with pytest.raises(DataError, match="links=inside refuses"):
            open_index(str(root), links="inside")


@links
def test_many_links_that_lead_nowhere_are_one_error(image_tree: Path) -> None:
    for path in (image_tree / "train").rglob("*.png"):
        path.unlink()
        path.symlink_to("/gone/away.png")
    with pytest.raises(DataError, match=r"no image can be used of the class 'blue'") as caught:
        open_index(str(image_tree))
    assert "train/blue/0.png: a link that leads nowhere" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 4


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
    rows = [("train/red/0.png", "red", "", ""), ("val/red/1.png", "red", "", "")]
    found = reading.read_files(image_tree, pd.DataFrame(rows, columns=list(reading.TO_READ)))
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
from mlp.settings.training import RunConfig
from mlp.data.dataset import load, open_index
from mlp.learning.resolution import resolve
from mlp.errors import DataError, UnreadableImage
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
    assert not list((tmp_path / "cache").glob("*.bin"))
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

    def damaged(*_: object, **__: object) -> None:
        # What a flipped bit in the file's footer has been seen to give: no OSError, no ValueError
        raise pa.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    monkeypatch.setattr(remembered.pq, "ParquetFile", damaged)
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
