"""Kinds of files: what is read gives its pixels, what is not is called by its name."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mlp.data.images.decoding import decode, quiet_decoder, read_header
from mlp.data.images.formats import FORMATS, PCX, TGA, by_content, by_name
from mlp.errors import UnreadableImage

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
GRAY = PIXELS[..., 0]
FEW = (PIXELS[..., :1] // 64 * 80).repeat(3, axis=2)  # four shades, for palettes
CLEAR = np.where(GRAY > 128, 255, 0).astype(np.uint8)
TURNED = Image.Exif()
TURNED[0x0112] = 6


def saved(pixels: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def palette(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).quantize(16)


def text(values: np.ndarray) -> bytes:
    return b"# a comment\n".join(b" ".join(b"%d" % v for v in line.ravel()) for line in values)


BITS = GRAY > 128
ON_WHITE = np.where(CLEAR[..., None] == 255, PIXELS, 255).astype(np.uint8)
FINE = {"quality": 100, "subsampling": "4:4:4"}


@pytest.mark.parametrize(
    ("data", "expected", "off"),
    [
        pytest.param(saved(FEW, "GIF"), FEW, 0, id="GIF"),
        pytest.param(
            saved(FEW, "GIF", save_all=True, append_images=[Image.fromarray(255 - FEW)]),
            FEW, 0, id="GIF of two frames",
        ),
        pytest.param(saved(PIXELS, "AVIF", **FINE), PIXELS, 4, id="AVIF"),
        pytest.param(
            saved(PIXELS, "AVIF", exif=TURNED.tobytes(), **FINE),
            np.rot90(PIXELS, -1), 4, id="AVIF, turned",
        ),
        pytest.param(
            saved(PIXELS, "AVIF", save_all=True, append_images=[Image.fromarray(GRAY)], **FINE),
            PIXELS, 6, id="AVIF of two frames",
        ),
        pytest.param(
            saved(np.dstack([PIXELS, CLEAR]), "AVIF", **FINE), ON_WHITE, 4, id="AVIF, alpha"
        ),
        pytest.param(saved(PIXELS, "JPEG2000", irreversible=False), PIXELS, 0, id="JPEG 2000"),
        pytest.param(
            saved(PIXELS, "JPEG2000", irreversible=False, no_jp2=True), PIXELS, 0, id="J2K"
        ),
        pytest.param(
            saved(np.dstack([PIXELS, CLEAR]), "JPEG2000", irreversible=False),
            ON_WHITE, 0, id="JPEG 2000, alpha",
        ),
        pytest.param(
            saved(GRAY.astype(np.uint16) * 257, "JPEG2000", irreversible=False),
            GRAY, 0, id="JPEG 2000, 16 bits",
        ),
        pytest.param(saved(PIXELS, "TGA"), PIXELS, 0, id="TGA"),
        pytest.param(saved(PIXELS, "TGA")[:-26], PIXELS, 0, id="TGA without a footer"),
        pytest.param(saved(PIXELS, "TGA", orientation=1), PIXELS, 0, id="TGA, top first"),
        pytest.param(saved(PIXELS, "TGA", compression="tga_rle"), PIXELS, 0, id="TGA, packed"),
        pytest.param(saved(palette(FEW), "TGA"), FEW, 0, id="TGA, palette"),
        pytest.param(saved(GRAY, "TGA"), GRAY, 0, id="TGA, gray"),
        pytest.param(saved(np.dstack([PIXELS, CLEAR]), "TGA"), ON_WHITE, 0, id="TGA, alpha"),
        pytest.param(saved(PIXELS, "PCX"), PIXELS, 0, id="PCX"),
        pytest.param(saved(palette(FEW), "PCX"), FEW, 0, id="PCX, palette"),
        pytest.param(saved(PIXELS, "PPM"), PIXELS, 0, id="PPM"),
        pytest.param(saved(GRAY, "PPM"), GRAY, 0, id="PGM"),
        pytest.param(saved(Image.fromarray(BITS), "PPM"), BITS * 255, 0, id="PBM"),
        pytest.param(b"P3 8 8\n# x\n255\n" + text(PIXELS), PIXELS, 0, id="PPM as text"),
        pytest.param(b"P2\n8\n8\n255\n" + text(GRAY), GRAY, 0, id="PGM as text"),
        pytest.param(
            b"P1 8 8\n" + text(1 - BITS).replace(b" ", b""), BITS * 255, 0, id="PBM as text"
        ),
        pytest.param(saved(PIXELS, "MPO"), None, 0, id="MPO"),
    ],
)  # fmt: skip
def test_formats_give_back_their_pixels(data: bytes, expected: np.ndarray | None, off: int) -> None:
    if expected is None:  # what Pillow makes of its first picture
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    gray = expected.ndim == 2
    assert read_header(data).gray >= gray and read_header(data).width == 8
    pixels = decode(data, 8, gray)
    pixels = pixels[..., 0] if gray else pixels
    np.testing.assert_allclose(pixels.astype(int), expected, rtol=0, atol=off)


def test_a_transparent_gif_shows_white() -> None:
    data = saved(Image.fromarray(np.dstack([FEW, CLEAR])), "GIF")
    expected = np.where(CLEAR[..., None] == 255, FEW, 255)
    np.testing.assert_array_equal(decode(data, 8, False), expected)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "a video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a camera's raw file"),
        (b"II*\0\x10\0\0\0CR\2\0", "a camera's raw file"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (saved(PIXELS, "ICO", sizes=[(8, 8)]), "an icon"),
        (saved(PIXELS, "SGI"), "SGI"),
        (saved(PIXELS, "DDS"), "DDS"),
        (saved(PIXELS, "EPS"), "EPS"),
        (b"8BPS\0\1", "PSD"),
        (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="x">', "SVG"),
        (b"Pf\n8 8\n-1.0\n", "PFM"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(data: bytes, name: str) -> None:
    for use in (read_header, lambda given: decode(given, 8, False)):
        with pytest.raises(UnreadableImage, match=f"^{name}, which is not read: "):
            use(data)


@pytest.mark.parametrize(
    "data",
    [
        b"BMW is no bitmap, and neither is this text",
        b"P5 is a level of English",
        b"P1 3 reasons to read on",
        b"II. The second chapter",
        b"<?xml version='1.0'?><annotation><size/></annotation>",
        b"RIFF\0\0\0\0WAVE",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
        bytes(1000),
        b"PK\3\4",
        b"\n\n\n\nlines",
    ],
)
def test_what_only_looks_like_an_image_is_none(data: bytes) -> None:
    assert by_content(data) is None


def test_every_ending_is_of_one_format() -> None:
    endings = [ending for kind in FORMATS for ending in kind.endings]
    assert len(set(endings)) == len(endings)
    for kind in FORMATS:
        for ending in kind.endings:
            assert by_name(f"A.B{ending.upper()}") is kind
    assert by_name("notes.txt") is None and by_name("png") is None


@pytest.mark.parametrize("kind", [TGA, PCX])
def test_headers_without_a_mark_are_bounded_like_any(kind: object) -> None:
    if kind is TGA:
        data = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 60000, 60000, 24, 0)
    else:
        data = struct.pack("<4B4HHH", 10, 5, 1, 8, 0, 0, 59999, 59999, 72, 72).ljust(65, b"\0")
        data += struct.pack("<BHH", 3, 60000, 1) + bytes(58)
    assert by_content(data) is kind
    with quiet_decoder(), pytest.raises(UnreadableImage, match="million pixels"):
        decode(data, 8, False)


@pytest.mark.parametrize("magic", [b"P1", b"P2", b"P4", b"P6"])
def test_a_portable_map_of_nothing_is_not_waited_for(magic: bytes) -> None:
    for size, reason in ((b"60000 60000", "million pixels"), (b"9000 9000", "truncated")):
        with pytest.raises(UnreadableImage, match=reason):
            decode(magic + b" " + size + b" 255\n" + b"1 " * 50, 8, False)
    with pytest.raises(UnreadableImage, match="a value of 300, where white is 255"):
        decode(b"P2 2 1 255 300 1", 8, True)


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    check = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


BROKEN_EXIF = b"II*\0\xff\xff\xff\xff"


@pytest.mark.parametrize("crc", [None, 7], ids=["checked", "of a wrong checksum"])
@pytest.mark.parametrize("place", [33, -12], ids=["before the pixels", "behind them"])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2_000_000))),
        (b"iTXt", b"workflow\0\1\0en\0\0" + zlib.compress(bytes(2_000_000))),
        (b"zTXt", b"key\0\0not deflated"),
        (b"zTXt", b"key\0\7of no known kind"),
        (b"iTXt", b"\xff"),
        (b"tEXt", b""),
        (b"iCCP", b"profile\0\0" + zlib.compress(bytes(5_000_000))),
        (b"iCCP", b"profile\0\0not deflated"),
        (b"gAMA", b""),
        (b"pHYs", b"\1"),
        (b"eXIf", BROKEN_EXIF),
        (b"acTL", b""),
        (b"fcTL", b""),
        (b"prVt", b"of nobody knows whom"),
    ],
)
def test_nothing_else_in_a_png_damages_its_pixels(
    kind: bytes, data: bytes, place: int, crc: int | None
) -> None:
    whole = saved(PIXELS, "PNG")
    given = whole[:place] + chunk(kind, data, crc) + whole[place:]
    np.testing.assert_array_equal(decode(given, 8, False), PIXELS)
    assert read_header(given).width == 8
    np.testing.assert_array_equal(decode(given + b"and more", 8, False), PIXELS)


def test_a_png_is_turned_whatever_texts_are_in_it() -> None:
    info = PngImagePlugin.PngInfo()
    for number in range(70):
        info.add_text(f"part {number}", "x" * 1_000_000, zip=True)
    data = saved(PIXELS, "PNG", pnginfo=info, exif=TURNED)
    np.testing.assert_array_equal(decode(data, 8, False), np.rot90(PIXELS, -1))


def test_a_png_cut_off_behind_its_pixels_is_whole_and_within_them_damaged() -> None:
    whole = saved(PIXELS, "PNG")
    cut = whole[:-12] + chunk(b"tEXt", b"key\0" + bytes(100))[:50]
    np.testing.assert_array_equal(decode(cut, 8, False), PIXELS)
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(whole[:-30], 8, False)
    flipped = bytearray(whole)
    flipped[60] ^= 1
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(bytes(flipped), 8, False)


@pytest.mark.parametrize("place", [2, 20], ids=["before JFIF's", "behind it"])
@pytest.mark.parametrize(
    ("marker", "data"),
    [
        (0xE1, b"Exif\0\0" + BROKEN_EXIF),
        (0xE1, b"Exif\0\0"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<not xml"),
        (0xE2, b"ICC_PROFILE\0\1"),
        (0xE2, b"ICC_PROFILE\0\1\2not all of it"),
        (0xE2, b"MPF\0II*\0\x08\0\0\0"),
        (0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\xff\xff\xff\xff"),
        (0xE0, b"JFIF\0"),
        (0xFE, b""),
    ],
)
def test_nothing_else_in_a_jpeg_damages_its_pixels(marker: int, data: bytes, place: int) -> None:
    whole = saved(np.full((16, 16, 3), 200, np.uint8), "JPEG")
    given = whole[:place] + segment(marker, data) + whole[place:]
    with quiet_decoder():
        assert (decode(given, 8, False) == 200).all()


@pytest.mark.parametrize(
    "tag",
    [
        struct.pack("<HHLL", 34665, 4, 1, 2**31),  # Exif's directory, nowhere
        struct.pack("<HHLL", 34675, 7, 2**31, 8),  # a profile longer than the file
        struct.pack("<HHLL", 700, 1, 10**6, 2**30),
        struct.pack("<HHLL", 33432, 2, 0, 0),
        struct.pack("<HHLL", 282, 5, 1, 2**31),
        struct.pack("<HHLL", 65000, 99, 1, 1),
    ],
    ids=lambda tag: str(struct.unpack_from("<H", tag)[0]),
)
def test_nothing_else_in_a_tiff_damages_its_pixels(tag: bytes) -> None:
    whole = saved(PIXELS, "TIFF")
    (start,) = struct.unpack_from("<L", whole, 4)
    (count,) = struct.unpack_from("<H", whole, start)
    entries = whole[start + 2 : start + 2 + 12 * count]
    directory = struct.pack("<H", count + 1) + entries + tag + bytes(4)
    given = whole[:4] + struct.pack("<L", len(whole)) + whole[8:] + directory
    with quiet_decoder():
        np.testing.assert_array_equal(decode(given, 8, False), PIXELS)
