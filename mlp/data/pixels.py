"""The decoded images of an index: one memory-mapped file, made once and kept."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from mlp.data.cache import cache_folder, replacing, writing
from mlp.data.images.decoding import DECODER_VERSION, decode, quiet_decoder
from mlp.data.index import Index, refuse
from mlp.data.reading import Files
from mlp.errors import DataError, UnreadableImage
from mlp.processes import alone

# Images decoded between two notes: as many an interruption may cost
_BLOCK = 1024
# Of large images fewer: a block is held in memory twice while it is written
_BLOCK_BYTES = 64 * 2**20
_HEADER = 128  # bytes: what NumPy's header of such a shape comes to

Block = tuple[int, int]  # length in bytes and CRC-32


class Changed(DataError):
    """A file is not what it was when the index was made: a new index is needed."""


@dataclass(frozen=True)
class _Noted:
    """Rows that were refused and why, and rows of images of one value in each channel."""

    refused: dict[str, str]
    single: list[int]


def load_pixels(
    index: Index, size: int, gray: bool, depth: int | None = None
) -> tuple[Index, NDArray[np.uint8]]:
    """The pixels of the usable images of an index: uint8 (N, size, size, 1 if gray else 3).

    The array is memory-mapped from the cache folder, in the order of the returned index: the given
    one, with the images refused that turned out to be damaged when they were decoded. The file is
    keyed by the content of the images, the size, the channels, the depth (see `decode`; None: that
    of the index) and the version of the decoder; a checksum of each block is compared when it is
    opened, and a damaged file is made again. Decoding goes on where an interrupted one stopped; of
    two processes, one waits for the other. Raises DataError when a file that was indexed cannot be
    read any more, and Changed when it is another one now.
    """
    depth = index.depth if depth is None else depth
    name = _name(index, size, gray, depth)
    store = _Store(cache_folder() / name, len(index.usable), (size, size, 1 if gray else 3))
    noted = store.noted()
    if noted is None:
        with alone(store.file("lock"), "another process is decoding these images"):
            noted = store.noted()
            if noted is None:
                noted = _decode_all(index, store, depth)
    try:
        pixels = np.load(store.file("npy"), mmap_mode="r")
    except (OSError, MemoryError):
        said = room(index.name, len(index.usable), size, gray)
        raise DataError(f"not enough memory for {said}") from None
    paths = index.usable["path"]
    reasons = {str(paths.iloc[int(row)]): why for row, why in noted.refused.items()}
    single = tuple(str(paths.iloc[row]) for row in noted.single)
    index = refuse(index, reasons) if reasons else index
    assert len(pixels) == len(index.usable)
    return replace(index, single=single), pixels


def pixel_files(index: Index, size: int, gray: bool) -> tuple[str, ...]:
    """Names of the files in the cache folder that `load_pixels` reads, once it has made them."""
    return tuple(f"{_name(index, size, gray, index.depth)}.{suffix}" for suffix in ("npy", "json"))


def _name(index: Index, size: int, gray: bool, depth: int) -> str:
    hashes = hashlib.sha256(f"{DECODER_VERSION} {size} {gray} {depth}".encode())
    for digest in index.usable["sha256"]:
        hashes.update(digest.encode())
    return f"pixels-{hashes.hexdigest()[:32]}"


def room(name: str, images: int, size: int, gray: bool) -> str:
    """Say how much room so many decoded images take, and what to do about it."""
    taken = images * size**2 * (1 if gray else 3) / 2**30
    said = "" if gray else "; channels=gray takes a third"
    return (
        f"{images} images of {name}, decoded with image_size={size}: {taken:.2f} GiB; a smaller "
        f"image_size takes less{said}"
    )


@dataclass(frozen=True)
class _Store:
    """The files of one decoding: `.npy` and what is noted of it, `.part` while it is made."""

    stem: Path
    images: int
    shape: tuple[int, int, int]

    def file(self, suffix: str) -> Path:
        return self.stem.with_suffix(f".{suffix}")

    def header(self, refused: int) -> bytes:
        buffer = io.BytesIO()
        shape = (self.images - refused, *self.shape)
        np.lib.format.write_array_header_1_0(
            buffer, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        assert len(buffer.getvalue()) == _HEADER, "NumPy pads headers to multiples of 64 bytes"
        return buffer.getvalue()

    def noted(self) -> _Noted | None:
        """The notes on the images, None unless the pixels are there as they were written."""
        try:
            read = _unsealed(self.file("json").read_text())
            noted = _Noted(dict(read["refused"]), [int(row) for row in read["single"]])
            blocks = [(int(length), int(crc)) for length, crc in read["blocks"]]
            with self.file("npy").open("rb") as stream:
                header = stream.read(_HEADER)
            whole = _HEADER + sum(length for length, _ in blocks)
            if self.file("npy").stat().st_size != whole:
                return None
            if header != self.header(len(noted.refused)):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return noted if _intact(self.file("npy"), blocks) == len(blocks) else None

    def resume(self) -> tuple[int, _Noted, list[Block]]:
        """The state of an interrupted decoding: images done, the notes on them, the blocks written.

        Notes of anything else are taken away, so that the next block joins the good ones.
        """
        lines = []
        try:
            for line in self.file("notes").read_text().splitlines():
                count, bad, single, length, crc = _unsealed(line)
                lines.append((int(count), dict(bad), list(single), (int(length), int(crc))))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # the line that the interruption cut, or none at all
        good = lines[: _intact(self.file("part"), [line[-1] for line in lines])]
        self.file("notes").write_text(
            "".join(_sealed([*noted, *block]) + "\n" for *noted, block in good)
        )
        refused = {row: why for _, bad, _, _ in good for row, why in bad.items()}
        single = [row for _, _, rows, _ in good for row in rows]
        return good[-1][0] if good else 0, _Noted(refused, single), [line[-1] for line in good]


def _sealed(noted: object) -> str:
    """JSON with a checksum of its own: a flipped digit in it would give images others' labels."""
    return json.dumps({"crc": zlib.crc32(json.dumps(noted).encode()), "noted": noted})


def _unsealed(text: str) -> Any:
    """Undo `_sealed`. Raises ValueError, KeyError or TypeError where a text has changed."""
    sealed = json.loads(text)
    if zlib.crc32(json.dumps(sealed["noted"]).encode()) != sealed["crc"]:
        raise ValueError("damaged")
    return sealed["noted"]


def _intact(file: Path, blocks: list[Block]) -> int:
    """Count the first blocks of a file, behind its header, that are as they were written.

    Each is its length and CRC-32.
    """
    starts = _HEADER + np.cumsum([0, *(length for length, _ in blocks)])

    def same(number: int) -> bool:
        length, crc = blocks[number]
        with file.open("rb") as stream:
            stream.seek(int(starts[number]))
            return zlib.crc32(stream.read(length)) == crc

    if not blocks or not file.exists():
        return 0
    with ThreadPoolExecutor() as pool:
        checks = pool.map(same, range(len(blocks)))
        bar = tqdm(checks, "verifying", len(blocks), unit="", disable=None, delay=1, leave=False)
        good = list(bar)
    return good.index(False) if False in good else len(good)


def _decode_all(index: Index, store: _Store, depth: int) -> _Noted:
    """Write the pixels of all images that can be decoded, and return the notes on them.

    What is done is noted block by block in a file beside the unfinished one.
    """
    rows = index.usable[["path", "sha256"]].reset_index(drop=True)
    part, notes = store.file("part"), store.file("notes")
    with writing(store.file("npy")):
        done, noted, blocks = store.resume()
        part.touch()
        free = shutil.disk_usage(part.parent).free
        if store.images * int(np.prod(store.shape)) - part.stat().st_size > free:
            said = room(index.name, store.images, store.shape[0], store.shape[2] == 1)
            raise DataError(
                f"{part.parent} has {free / 2**30:.2f} GiB left, too little for {said}; or set "
                "MLP_CACHE to a folder with more room"
            )
        with part.open("r+b") as out, notes.open("a") as log:
            out.truncate(_HEADER + sum(length for length, _ in blocks))
            out.seek(0, io.SEEK_END)
            for count, images, found in _blocks(index, rows, done, store.shape, depth):
                block = len(images), zlib.crc32(images)
                out.write(images)
                out.flush()
                log.write(_sealed([count, found.refused, found.single, *block]) + "\n")
                log.flush()
                noted.refused.update(found.refused)
                noted.single.extend(found.single)
                blocks.append(block)
            # How many images there are is known only now
            out.seek(0)
            out.write(store.header(len(noted.refused)))
        part.replace(store.file("npy"))
    with replacing(store.file("json")) as target:
        every = {"refused": noted.refused, "single": noted.single, "blocks": blocks}
        target.write_text(_sealed(every))
    notes.unlink()
    return noted


def _blocks(
    index: Index, rows: pd.DataFrame, done: int, shape: tuple[int, int, int], depth: int
) -> Iterator[tuple[int, bytes, _Noted]]:
    """Block by block: images done so far, their pixels, and what is noted of them."""
    size, gray = shape[0], shape[2] == 1

    def attempt(path: str, digest: str) -> NDArray[np.uint8] | str | None:
        try:
            encoded = index.read(path)
        except OSError as error:
            # Not a refusal: those are remembered with the content, and this may pass
            raise DataError(f"{index.name}: {path} cannot be read: {error.strerror}") from None
        if hashlib.sha256(encoded).hexdigest() != digest:
            return None
        try:
            return decode(encoded, size, gray, depth)
        except UnreadableImage as error:
            return str(error)
        except MemoryError:
            # Not a refusal either: another machine, or this one later, may have the room
            raise DataError(
                f"{index.name}: not enough memory to decode {path}: close other programs, or "
                "make that image smaller"
            ) from None

    step = max(1, min(_BLOCK, _BLOCK_BYTES // int(np.prod(shape))))
    bar = tqdm(
        total=len(rows), initial=done, desc="decoding", unit="", disable=None, delay=1, leave=False
    )
    with quiet_decoder(), ThreadPoolExecutor() as pool, bar:
        for start in range(done, len(rows), step):
            block = rows.iloc[start : start + step]
            made = dict(enumerate(pool.map(attempt, block["path"], block["sha256"]), start))
            changed = [row for row, image in made.items() if image is None]
            if changed:
                if isinstance(index.read, Files):
                    index.read.forget()
                path = rows.at[changed[0], "path"]
                raise Changed(
                    f"{index.name}: {path} changed while it was being read: run it again when "
                    "nothing writes there any more"
                )
            bad = {str(row): image for row, image in made.items() if isinstance(image, str)}
            images = {row: image for row, image in made.items() if isinstance(image, np.ndarray)}
            single = [row for row, image in images.items() if (image == image[0, 0]).all()]
            bar.update(len(block))
            pixels = b"".join(image.tobytes() for image in images.values())
            yield start + len(block), pixels, _Noted(bad, single)
