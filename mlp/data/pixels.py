"""The decoded images of an index: one memory-mapped file, made once and kept."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate, takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp import console
from mlp.data.cache import cache_folder, writing
from mlp.data.images.decoding import DECODER_VERSION, decode, quiet_decoder
from mlp.data.index import Index, add_rows, refuse
from mlp.data.reading import Files
from mlp.errors import DataError, UnreadableImage
from mlp.processes import alone

# Images decoded between two notes: as many an interruption may cost
_BLOCK = 1024
# Of large images fewer: a block is held in memory twice while it is written
_BLOCK_BYTES = 64 * 2**20


class Changed(DataError):
    """A file is not what it was when the index was made: a new index is needed."""


class _Block(NamedTuple):
    """Some images after the others: what is noted of them, a line of a file."""

    done: int  # images up to its end
    refused: dict[str, str]  # rows, and why
    single: list[int]  # rows of images of one value in each channel
    length: int  # bytes of its pixels
    crc: int  # CRC-32 of them


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
    images, stem = len(index.usable), cache_folder() / _name(index, size, gray, depth)
    blocks = _finished(stem, images)
    if blocks is None:
        with alone(stem.with_suffix(".lock"), "another process is decoding these images"):
            blocks = _finished(stem, images) or _decode_all(index, stem, size, gray, depth)
    refused = {int(row): why for block in blocks for row, why in block.refused.items()}
    shape = images - len(refused), size, size, 1 if gray else 3
    try:
        file = stem.with_suffix(".bin")
        # Nothing can be mapped of a file without content
        pixels = np.memmap(file, np.uint8, "r", shape=shape) if shape[0] else np.empty(shape, "u1")
    except (OSError, MemoryError):
        raise DataError(f"not enough memory for {room(index.name, images, size, gray)}") from None
    paths = index.usable["path"]
    single = tuple(str(paths.iloc[row]) for block in blocks for row in block.single)
    reasons = {str(paths.iloc[row]): why for row, why in refused.items()}
    index = refuse(index, reasons) if reasons else index
    # What follows from an index is found once: it stays the same where nothing was learnt
    return replace(index, single=single) if single != index.single else index, pixels


def pixel_files(index: Index, size: int, gray: bool) -> tuple[str, ...]:
    """Names of the files in the cache folder that `load_pixels` reads, once it has made them."""
    return tuple(f"{_name(index, size, gray, index.depth)}.{suffix}" for suffix in ("bin", "notes"))


def _name(index: Index, size: int, gray: bool, depth: int) -> str:
    hashes = hashlib.sha256(f"{DECODER_VERSION} {size} {gray} {depth}".encode())
    add_rows(hashes, index.usable[["sha256"]], "")
    return f"pixels-{hashes.hexdigest()[:32]}"


def room(name: str, images: int, size: int, gray: bool) -> str:
    """Say how much room so many decoded images take, and what to do about it."""
    taken = images * size**2 * (1 if gray else 3) / 2**30
    said = "" if gray else "; channels=gray takes a third"
    return (
        f"{images} images of {name}, decoded with image_size={size}: {taken:.2f} GiB; a smaller "
        f"image_size takes less{said}"
    )


def _finished(stem: Path, images: int) -> list[_Block] | None:
    """The notes on so many images, None unless all their pixels are there as they were written."""
    blocks = _intact(stem, ".bin")
    return blocks if images == (blocks[-1].done if blocks else 0) else None


def _intact(stem: Path, suffix: str) -> list[_Block]:
    """The first blocks of a file that are as they were written, by the notes on them."""
    blocks: list[_Block] = []
    with suppress(OSError, ValueError):  # a line that an interruption cut, or none at all
        for line in stem.with_suffix(".notes").read_text().splitlines():
            blocks.append(_unsealed(line))
    file = stem.with_suffix(suffix)
    if not blocks or not file.exists():
        return []

    def same(block: _Block, start: int) -> bool:
        with file.open("rb") as stream:
            stream.seek(start)
            return zlib.crc32(stream.read(block.length)) == block.crc

    starts = accumulate((block.length for block in blocks), initial=0)
    with ThreadPoolExecutor() as pool:
        checks = pool.map(same, blocks, starts)
        bar = console.passing(checks, "verifying", total=len(blocks))
        return [block for block, _ in zip(blocks, takewhile(bool, bar), strict=False)]


def _sealed(block: _Block) -> str:
    """A line with a checksum of its own: a flipped digit in it would give images others' labels."""
    noted = json.dumps(block)
    return f"{zlib.crc32(noted.encode())} {noted}\n"


def _unsealed(line: str) -> _Block:
    """Undo `_sealed`. Raises ValueError where a line has changed."""
    crc, _, noted = line.partition(" ")
    if zlib.crc32(noted.encode()) != int(crc):
        raise ValueError("damaged")
    return _Block(*json.loads(noted))


def _decode_all(index: Index, stem: Path, size: int, gray: bool, depth: int) -> list[_Block]:
    """Write the pixels of all images that can be decoded, and return the notes on them.

    What an interruption left is kept as far as it is sound.
    """
    file, part, notes = (stem.with_suffix(suffix) for suffix in (".bin", ".part", ".notes"))
    with writing(file):
        blocks = _intact(stem, ".part")
        notes.write_text("".join(map(_sealed, blocks)))
        part.touch()
        free, images = shutil.disk_usage(part.parent).free, len(index.usable)
        if images * size**2 * (1 if gray else 3) - part.stat().st_size > free:
            raise DataError(
                f"{part.parent} has {free / 2**30:.2f} GiB left, too little for "
                f"{room(index.name, images, size, gray)}; or set MLP_CACHE to a folder with more "
                "room"
            )
        with part.open("r+b") as out, notes.open("a") as log:
            out.truncate(sum(block.length for block in blocks))
            out.seek(0, io.SEEK_END)
            done = blocks[-1].done if blocks else 0
            for block, pixels in _blocks(index, done, size, gray, depth):
                out.write(pixels)
                out.flush()
                log.write(_sealed(block))
                log.flush()
                blocks.append(block)
        part.replace(file)
    return blocks


def _blocks(
    index: Index, done: int, size: int, gray: bool, depth: int
) -> Iterator[tuple[_Block, bytes]]:
    """Block by block: what is noted of the images, and their pixels."""
    rows = index.usable[["path", "sha256"]].reset_index(drop=True)

    def attempt(path: str, digest: str) -> NDArray[np.uint8] | str:
        try:
            encoded = index.read(path)
        except OSError as error:
            # Not a refusal: those are remembered with the content, and this may pass
            raise DataError(f"{index.name}: {path} cannot be read: {error.strerror}") from None
        if hashlib.sha256(encoded).hexdigest() != digest:
            if isinstance(index.read, Files):
                index.read.forget()
            raise Changed(
                f"{index.name}: {path} changed while it was being read: run it again when "
                "nothing writes there any more"
            )
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

    step = max(1, min(_BLOCK, _BLOCK_BYTES // (size**2 * (1 if gray else 3))))
    bar = console.passing(None, "decoding", total=len(rows), initial=done)
    with quiet_decoder(), ThreadPoolExecutor() as pool, bar:
        for start in range(done, len(rows), step):
            block = rows.iloc[start : start + step]
            made = dict(enumerate(pool.map(attempt, block["path"], block["sha256"]), start))
            refused = {str(row): image for row, image in made.items() if isinstance(image, str)}
            images = {row: image for row, image in made.items() if isinstance(image, np.ndarray)}
            single = [row for row, image in images.items() if (image == image[0, 0]).all()]
            pixels = b"".join(image.tobytes() for image in images.values())
            bar.update(len(block))
            noted = start + len(block), refused, single, len(pixels), zlib.crc32(pixels)
            yield _Block(*noted), pixels
