"""Mutated images: the readers give pixels or say why not, whatever the bytes.

pytest -m slow tests/data/test_fuzz.py                          # a minute
MLP_FUZZ_SECONDS=600 pytest -m slow tests/data/test_fuzz.py     # ten
"""

from __future__ import annotations

import faulthandler
import io
import os
import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from mlp.data.images.decoding import (
    decode,
    quiet_decoder,
    read_header,
    significant_bits,
)
from mlp.errors import UnreadableImage

SECONDS = float(os.environ.get("MLP_FUZZ_SECONDS", "60"))
_EXAMPLES = 400  # between two looks at the clock
_MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "BMP": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "RGB", "RGBA", "CMYK", "I;16", "F"),
    "GIF": ("L", "P"),
    "AVIF": ("RGB", "RGBA"),
    "JPEG2000": ("L", "RGB", "I;16"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TGA": ("L", "P", "RGBA"),
    "PCX": ("1", "P", "RGB"),
}


def _encoded(kind: str, mode: str, side: int) -> bytes:
    noise = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    image = Image.fromarray(noise)
    if mode == "I;16":
        image = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
    if kind == "TIFF" and mode in ("L", "RGB"):
        options = {"compression": "tiff_lzw"}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


SEEDS = [
    _encoded(kind, mode, side)
    for kind, modes in _MODES.items()
    for mode in modes
    for side in (3, 21)
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An image with bytes changed, cut out, doubled, or spliced into another one."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 16))
        match draw(st.sampled_from(["flip", "set", "cut", "end", "double", "splice"])):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set":
                data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "cut":
                del data[at : at + length]
            case "end":
                del data[at:]
            case "double":
                data[at:at] = data[at : at + length]
            case "splice":
                other = draw(st.sampled_from(SEEDS))
                data[at:] = other[draw(st.integers(0, len(other))) :]
    return bytes(data)


def check(data: bytes) -> None:
    for gray in (False, True):
        try:
            header = read_header(data)
            significant_bits(data)
            pixels = decode(data, 16, gray)
        except UnreadableImage as error:
            assert str(error) and "\n" not in str(error)
            continue
        assert header.width > 0 and header.height > 0
        assert pixels.dtype == np.uint8 and pixels.shape == (16, 16, 1 if gray else 3)


@pytest.mark.parametrize("data", SEEDS, ids=lambda data: str(len(data)))
def test_the_images_that_are_mutated_are_read(data: bytes) -> None:
    try:
        decode(data, 16, False)
    except UnreadableImage as error:
        assert "floating-point" in str(error)


@pytest.mark.slow
def test_mutated_images_are_read_or_refused() -> None:
    end = time.monotonic() + SECONDS
    # A hang would show where, and end the tests
    faulthandler.dump_traceback_later(SECONDS + 60, exit=True)
    rounds = 0
    try:
        while time.monotonic() < end:
            run = settings(
                max_examples=_EXAMPLES,
                deadline=5000,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(given(mutated())(check))
            with quiet_decoder(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seed(rounds)(run)()
            rounds += 1
    finally:
        faulthandler.cancel_dump_traceback_later()
    print(f"{rounds * _EXAMPLES} mutated images in {SECONDS:.0f} s")
    assert rounds
