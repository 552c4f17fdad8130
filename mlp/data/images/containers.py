"""Parts of PNG, JPEG and TIFF files around their pixels, changed where a decoder would stumble.

A library that stumbles over texts, profiles or previews, or has a limit for them, takes a sound
picture for a damaged one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Literal

from mlp.data.images.formats import JPEG, PNG, TIFF, Format

# Transparency, significant bits and orientation among them
_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"sBIT", b"eXIf", b"IDAT", b"IEND"}
_OPTIONAL = {b"sBIT", b"eXIf"}
_SIGNATURE = 8
# How a segment begins that matters, and its least length
_SEGMENTS = ((b"Exif\x00\x00", 14), (b"JFIF\x00", 14), (b"Adobe", 12))
_PHOTOMETRIC, BITS = 262, 258
# Of the first image: what its pixels depend on, by the TIFF specification and libtiff
_OF_PIXELS = {
    254, 256, 257, BITS, 259, _PHOTOMETRIC, 266, 273, 274, 277, 278, 279, 280, 281, 284, 292, 293,
    317, 320, 322, 323, 324, 325, 332, 338, 339, 340, 341, 347, 512, 513, 514, 515, 517, 518, 519,
    520, 521, 529, 530, 531, 532,
}  # fmt: skip
_SHORT = 3


def without_ancillary(data: bytes, kind: Format) -> bytes | None:
    """The image with its pixels, their meaning and its orientation; None where that is all."""
    strip = {PNG: _png, JPEG: _jpeg, TIFF: _tiff}.get(kind)
    try:
        made = strip(data) if strip else data
    except ValueError:
        return None
    return None if made == data else made


def chunks(data: bytes) -> Iterator[bytes]:
    """The chunks of a PNG as far as they are whole: length, type, content and checksum."""
    at = _SIGNATURE
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            return
        yield data[at:end]
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end


def sound(chunk: bytes) -> bool:
    """Tell whether a chunk of a PNG has the checksum of its content."""
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])


def _png(data: bytes) -> bytes:
    whole = list(chunks(data))
    known = [chunk for chunk in whole if chunk[4:8] in _CHUNKS]
    kept = [chunk for chunk in known if chunk[4:8] not in _OPTIONAL or sound(chunk)]
    rest = data[_SIGNATURE + sum(map(len, whole)) :]
    # Pixels that are cut off are left to the decoder, which says so
    ended = any(chunk[4:8] in (b"IDAT", b"IEND") for chunk in whole) and rest[4:8] != b"IDAT"
    return data[:_SIGNATURE] + b"".join(kept) + (b"" if ended else rest)


def _jpeg(data: bytes) -> bytes:
    """A JPEG file with the segments of the picture, JFIF's, Exif's and Adobe's."""
    parts, at = [data[:2]], 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if not 0xC0 <= marker <= 0xFE or 0xD0 <= marker <= 0xDA:
            break  # the picture itself, or no segment
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        content = data[at + 4 : end]
        matters = any(content.startswith(b) and len(content) >= n for b, n in _SEGMENTS)
        if matters or not (marker == 0xFE or 0xE0 <= marker <= 0xEF):
            parts.append(data[at:end])
        at = end
    return b"".join(parts) + data[at:]


class _Directory:
    """The first directory of a TIFF file. Raises ValueError where it is not whole."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        # Bytes that a place or a count of values takes, and that the count of entries takes
        self.word, self.head = (8, 8) if 43 in data[2:4] else (4, 2)
        self.start = self._number(self.word, self.word)
        count, self.step = self._number(self.start, self.head), 4 + 2 * self.word
        if count > 4096:
            raise ValueError("no directory has so many entries")
        first = self.start + self.head
        places = range(first, first + count * self.step, self.step)
        self.entries = [(self._number(at, 2), at) for at in places]  # tags, and where they stand

    def _number(self, at: int, size: int) -> int:
        if at + size > len(self._data):
            raise ValueError("the file ends before its directory")
        return int.from_bytes(self._data[at : at + size], self.order)

    def short(self, at: int) -> int:
        """The first of the values of an entry. Raises ValueError where they have not 16 bits."""
        if self._number(at + 2, 2) != _SHORT:
            raise ValueError("no numbers of 16 bits")
        value = at + 4 + self.word
        if self._number(at + 4, self.word) * 2 > self.word:
            value = self._number(value, self.word)
        return self._number(value, 2)


def black_is_zero(data: bytes) -> tuple[bytes, bool]:
    """A TIFF file with values of more than 8 bits said to be 0 at black; whether they were not.

    Pillow ignores it in one byte order, and refuses such a file in the other.
    """
    try:
        directory = _Directory(data)
        found = dict(directory.entries)
        if directory.short(found[BITS]) <= 8 or directory.short(found[_PHOTOMETRIC]) != 0:
            return data, False
    except (KeyError, ValueError):
        return data, False
    value = found[_PHOTOMETRIC] + 4 + directory.word
    return data[:value] + (1).to_bytes(2, directory.order) + data[value + 2 :], True


def _tiff(data: bytes) -> bytes:
    """The file without the entries that its pixels do not depend on. Raises ValueError."""
    directory = _Directory(data)
    kept = [data[at : at + directory.step] for tag, at in directory.entries if tag in _OF_PIXELS]
    count = len(kept).to_bytes(directory.head, directory.order)
    # Nor on the directories of further images, which would be named behind the last entry
    made = count + b"".join(kept) + bytes(directory.word)
    return data[: directory.start] + made + data[directory.start + len(made) :]
