"""Decoding: every kind of file against the pixels that were put into it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlp.data.images.decoding import Header, decode, quiet_decoder, read_header
from mlp.errors import UnreadableImage

Pixels = NDArray[np.uint8]
LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "WEBP": {"lossless": True}}
# What each EXIF orientation asks of the stored pixels, from the table in the EXIF standard
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: np.swapaxes(p, 0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.swapaxes(np.rot90(p, 2), 0, 1),
    8: lambda p: np.rot90(p, 1),
}


def noise(*shape: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def blocks() -> Pixels:
    """16x16 RGB in four squares of one colour each, which JPEG keeps nearly exactly."""
    colors = np.array([[[250, 20, 30], [10, 200, 40]], [[30, 40, 220], [128, 128, 0]]], np.uint8)
    return colors.repeat(8, axis=0).repeat(8, axis=1)


def encoded(image: Image.Image | Pixels, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def by_opencv(suffix: str, pixels: NDArray[np.generic]) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    content = chunk(b"IDAT", zlib.compress(bytes(64)))
    return b"\x89PNG\r\n\x1a\n" + header + content + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_back_their_pixels(kind: str) -> None:
    pixels = noise(8, 8, 3)
    data = encoded(pixels, kind, **LOSSLESS[kind])
    np.testing.assert_array_equal(decode(data, 8, False), pixels)
    assert read_header(data) == Header(8, 8, gray=False)


def test_jpeg_is_rgb() -> None:
    data = encoded(blocks(), "JPEG", quality=95, subsampling=0)
    np.testing.assert_allclose(decode(data, 16, False), blocks(), rtol=0, atol=4)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize(
    ("size", "part"), [((1032, 520), 8), ((256, 260), 4), ((500, 140), 2), ((257, 513), 1)]
)
def test_a_large_jpeg_is_averaged_like_any_other(
    size: tuple[int, int], part: int, gray: bool
) -> None:
    """Whichever part of it is decoded, and turned."""
    width, height = size
    coarse = cv2.resize(noise(9, 9, 3), size, interpolation=cv2.INTER_CUBIC).astype(int)
    fine = np.random.default_rng(1).integers(-20, 21, (height, width, 1))
    picture = Image.fromarray(np.clip(coarse + fine, 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture, "JPEG", quality=90, exif=exif)
    whole = np.rot90(np.asarray(Image.open(io.BytesIO(data)).convert("L" if gray else "RGB")), -1)
    averaged = cv2.resize(np.ascontiguousarray(whole), (32, 32), interpolation=cv2.INTER_AREA)
    difference = decode(data, 32, gray).astype(int) - averaged.reshape(32, 32, -1)
    assert np.abs(difference).mean() < 1 and np.abs(difference).max() <= 12
    assert np.any(difference) == (part > 1)  # it is not quite the same, or all was decoded


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_grayscale(kind: str) -> None:
    pixels = noise(8, 8)
    data = encoded(pixels, kind)
    assert read_header(data).gray
    np.testing.assert_array_equal(decode(data, 8, True), pixels[..., None])
    np.testing.assert_array_equal(decode(data, 8, False), pixels[..., None].repeat(3, axis=2))


def test_colour_becomes_gray_by_its_luma() -> None:
    pixels = noise(8, 8, 3)
    luma = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    gray = decode(encoded(pixels, "PNG"), 8, True)
    assert gray.shape == (8, 8, 1)
    np.testing.assert_allclose(gray[..., 0], luma, rtol=0, atol=0.6)


def test_one_bit_images_are_black_and_white() -> None:
    bits = noise(8, 8) > 127
    data = encoded(Image.fromarray(bits), "PNG")
    assert read_header(data) == Header(8, 8, gray=True)
    np.testing.assert_array_equal(decode(data, 8, True)[..., 0], bits * 255)


def test_palettes_become_their_colours_and_transparent_entries_white() -> None:
    colors = np.array([[200, 10, 20], [0, 128, 255], [7, 8, 9]], np.uint8)
    entries = noise(8, 8) % 3
    image = Image.fromarray(entries, "L")
    image.putpalette(colors.tobytes())
    assert image.mode == "P"
    np.testing.assert_array_equal(decode(encoded(image, "PNG"), 8, False), colors[entries])
    see_through = encoded(image, "PNG", transparency=1)
    colors[1] = 255
    np.testing.assert_array_equal(decode(see_through, 8, False), colors[entries])


def test_a_transparent_colour_of_an_rgb_png_becomes_white() -> None:
    pixels = blocks()
    data = encoded(pixels, "PNG", transparency=(10, 200, 40))
    pixels[:8, 8:] = 255
    np.testing.assert_array_equal(decode(data, 16, False), pixels)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_shows_white(kind: str, channels: int) -> None:
    pixels = noise(8, 8, channels)
    pixels[0, :, -1], pixels[1, :, -1] = 0, 255
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image = decode(encoded(pixels, kind, **options), 8, False)
    alpha = pixels[..., -1:] / 255
    over_white = alpha * pixels[..., :-1] + (1 - alpha) * 255
    np.testing.assert_allclose(image, np.broadcast_to(over_white, image.shape), rtol=0, atol=1)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_gray_keeps_its_high_byte(suffix: str) -> None:
    wide = np.random.default_rng(1).integers(0, 2**16, (8, 8)).astype(np.uint16)
    data = by_opencv(suffix, wide)
    assert read_header(data).gray
    np.testing.assert_array_equal(decode(data, 8, True)[..., 0], wide >> 8)
    np.testing.assert_array_equal(decode(data, 8, False)[..., 1], wide >> 8)


def test_16_bit_rgb_keeps_its_high_byte() -> None:
    wide = np.random.default_rng(1).integers(0, 2**16, (8, 8, 3)).astype(np.uint16)
    data = by_opencv(".png", wide[..., ::-1])
    np.testing.assert_array_equal(decode(data, 8, False), wide >> 8)


def test_cmyk_jpeg_is_not_inverted() -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[...] = (200, 100, 0, 51)  # of 255; K leaves 80% of the light
    data = encoded(Image.fromarray(ink, "CMYK"), "JPEG", quality=95)
    expected = np.array([55, 155, 255]) * 0.8
    np.testing.assert_allclose(decode(data, 16, False).mean(axis=(0, 1)), expected, atol=3)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = noise(8, 8, 3)
    upright = UPRIGHT[orientation]
    data = encoded(pixels, "PNG", exif=exif)
    np.testing.assert_array_equal(decode(data, 8, False), upright(pixels))
    data = encoded(blocks(), "JPEG", exif=exif, quality=95, subsampling=0)
    np.testing.assert_allclose(decode(data, 16, False), upright(blocks()), rtol=0, atol=4)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_the_first_of_several_frames_is_taken(kind: str) -> None:
    first = noise(8, 8, 3)
    others = [Image.fromarray(255 - first), Image.fromarray(first // 2)]
    options = {"save_all": True, "append_images": others, **LOSSLESS[kind]}
    data = encoded(first, kind, **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    np.testing.assert_array_equal(decode(data, 8, False), first)


def test_shrinking_averages_areas() -> None:
    pixels = noise(32, 16)
    means = pixels.reshape(8, 4, 8, 2).mean(axis=(1, 3))
    small = decode(encoded(pixels, "PNG"), 8, True)
    np.testing.assert_allclose(small[..., 0], means, rtol=0, atol=0.51)


def test_enlarging_is_bilinear() -> None:
    data = encoded(np.array([[0, 200], [0, 200]], np.uint8), "PNG")
    # pixel centres of the larger image fall on -0.25, 0.25, 0.75 and 1.25
    np.testing.assert_array_equal(decode(data, 4, True)[..., 0], [[0, 50, 150, 200]] * 4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"no picture at all\n" * 20, "not an image", id="text"),
        pytest.param(noise(1000).tobytes(), "not an image", id="random"),
        pytest.param(b"GIF89a" + bytes(100), "damaged: a GIF file that is not", id="GIF"),
        pytest.param(b"\xff\xd8\xff\xe0" + noise(1000).tobytes(), ".", id="random JPEG"),
        pytest.param(encoded(noise(32, 32, 3), "JPEG")[:-200], "damaged: .*truncated", id="JPEG"),
        pytest.param(encoded(noise(32, 32, 3), "PNG")[:-200], "damaged: .*truncated", id="PNG"),
        pytest.param(encoded(noise(32, 32, 3), "BMP")[:-200], "damaged: .*truncated", id="BMP"),
        pytest.param(encoded(noise(32, 32, 3), "WEBP")[:-200], "damaged", id="WebP"),
        pytest.param(encoded(np.ones((8, 8), np.float32), "TIFF"), "floating-point", id="float"),
        pytest.param(
            encoded(np.full((8, 8), 70000, np.int32), "TIFF"), "more than 16 bits", id="32 bits"
        ),
    ],
)
def test_what_is_no_whole_image_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        decode(data, 8, False)


@pytest.mark.parametrize(("width", "height"), [(60000, 60000), (12000, 11000)])
def test_a_bomb_is_refused_by_its_header(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    for use in (read_header, lambda data: decode(data, 8, False)):
        with quiet_decoder(), pytest.raises(UnreadableImage, match="pixels"):
            use(png_claiming(width, height))


def test_a_large_photograph_is_no_bomb() -> None:
    with quiet_decoder():  # Pillow warns from 89 million pixels
        assert read_header(png_claiming(10000, 10000)) == Header(10000, 10000, gray=False)


def test_a_tiff_whose_directory_is_nowhere_is_refused() -> None:
    with pytest.raises(UnreadableImage):
        read_header(b"II+\0\x08\0\0\0" + b"\xff" * 64)
