"""Encoded images without the parts that do not touch their pixels: texts, profiles, previews.

A library that stumbles over those, or has a limit for them, takes a sound picture for a damaged
one.
"""

from __future__ import annotations

import struct
import zlib

from mlp.data.images import tiff
from mlp.data.images.formats import JPEG, PNG, TIFF, Format

# Transparency, significant bits and orientation among them
_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"sBIT", b"eXIf", b"IDAT", b"IEND"}
_OPTIONAL = {b"sBIT", b"eXIf"}
_SIGNATURE = 8
# How a segment begins that matters, and its least length
_SEGMENTS = ((b"Exif\x00\x00", 14), (b"JFIF\x00", 14), (b"Adobe", 12))


def without_ancillary(data: bytes, kind: Format) -> bytes | None:
    """The image with its pixels, their meaning and its orientation; None where that is all."""
    strip = {PNG: _png, JPEG: _jpeg, TIFF: tiff.of_pixels}.get(kind)
    made = strip(data) if strip else None
    return None if made == data else made


def chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Type, beginning and end of each chunk of a PNG, as far as they are whole."""
    found, at = [], _SIGNATURE
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        found.append((data[at + 4 : at + 8], at, at + 12 + length))
        at += 12 + length
        if found[-1][0] == b"IEND":
            break
    return found


def sound(chunk: bytes) -> bool:
    """Tell whether a chunk of a PNG has the checksum of its content."""
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])


def _png(data: bytes) -> bytes:
    whole = chunks(data)
    kept = [
        data[start:end]
        for kind, start, end in whole
        if kind in _CHUNKS and (kind not in _OPTIONAL or sound(data[start:end]))
    ]
    rest = data[whole[-1][2] if whole else _SIGNATURE :]
    # Pixels that are cut off are left to the decoder, which says so
    ended = {b"IDAT", b"IEND"} & {kind for kind, _, _ in whole} and rest[4:8] != b"IDAT"
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
