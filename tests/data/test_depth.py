"""Images with more than 8 bits a value, in every way to store them, against values made by hand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlp.data.audit.remarks import remarks
from mlp.data.dataset import load, open_index
from mlp.data.images.decoding import decode, read_header, significant_bits
from mlp.data.images.depth import UNKNOWN
from mlp.errors import UnreadableImage
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig

Values = NDArray[np.int64]
FULL = 65535
DEPTHS = (8, 10, 12, 14, 16)
MAX_SAMPLE, SMAX_SAMPLE = 281, 341


def noise(bits: int, *shape: int) -> Values:
    """Values of which the largest takes all bits, and the least is 0."""
    made = np.random.default_rng(bits).integers(0, 2**bits, shape)
    made[0, 0], made[1, 1] = 2**bits - 1, 0
    return made


def tiff(values: Values, order: str, white_is_zero: bool = False, *, deflated: bool = False,
         bits: int = 16, **tags: list[int]) -> bytes:  # fmt: skip
    """A TIFF file of one strip, with more tags by number (`t281=[4095]`), all of 16 bits."""
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    data = values.astype(f"{order}u{bits // 8}").tobytes()
    data = zlib.compress(data) if deflated else data
    photometric = 2 if channels > 2 else 0 if white_is_zero else 1
    entries = {
        256: [width], 257: [height], 258: [bits] * channels, 259: [8 if deflated else 1],
        262: [photometric], 273: [0], 277: [channels], 278: [height], 279: [len(data)],
    }  # fmt: skip
    entries |= {int(name[1:]): numbers for name, numbers in tags.items()}
    after = 8 + 2 + 12 * len(entries) + 4
    long = [tag for tag in sorted(entries) if len(entries[tag]) > 2]
    places = {tag: after + 8 * number for number, tag in enumerate(long)}
    entries[273] = [after + 8 * len(long)]
    directory = b""
    for tag in sorted(entries):
        numbers = entries[tag]
        packed = struct.pack(f"{order}{len(numbers)}H", *numbers).ljust(4, b"\0")
        packed = struct.pack(f"{order}L", places[tag]) if tag in places else packed
        directory += struct.pack(f"{order}HHL", tag, 3, len(numbers)) + packed
    tables = b"".join(
        struct.pack(f"{order}{len(entries[tag])}H", *entries[tag]).ljust(8, b"\0") for tag in long
    )
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HLH", 42, 8, len(entries))
    return head + directory + bytes(4) + tables + data


def png(values: Values, sbit: int = 0, clear: bytes = b"") -> bytes:
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)),
            chunk(b"sBIT", bytes([sbit] * channels)) if sbit else b"",
            chunk(b"tRNS", clear) if clear else b"",
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def pnm(values: Values, white: int) -> bytes:
    kind, data = (
        (b"P5", values.astype(">u2")) if values.ndim == 2 else (b"P6", values.astype(">u2"))
    )
    raw = data.tobytes() if white > 255 else values.astype(np.uint8).tobytes()
    return kind + b"\n%d %d\n%d\n" % (*values.shape[1::-1], white) + raw


def with_alpha(values: Values, alpha: int) -> Values:
    return np.dstack([values, np.full(values.shape[:2], alpha)])


# Files of which nothing but the set's range says what is white
UNDECLARED: dict[str, Callable[[Values, int], bytes]] = {
    "PNG": lambda v, top: png(v),
    "PNG with alpha": lambda v, top: png(with_alpha(v, FULL)),
    "PNG with alpha of as many bits": lambda v, top: png(with_alpha(v, top)),
    **{
        f"TIFF {order}{' deflated' if packed else ''}": (
            lambda v, top, order=order, packed=packed: tiff(v, order, deflated=packed)
        )
        for order in "<>"
        for packed in (False, True)
    },
    "TIFF with a statistic for its largest value": lambda v, top: tiff(v, "<", t281=[top - 5]),
    "PGM or PPM whose white says nothing": lambda v, top: pnm(v, FULL),
}
GRAY_UNDECLARED: dict[str, Callable[[Values, int], bytes]] = {
    f"TIFF {order}, {'all' if whole else 'its'} bits, {'deflated' if packed else 'raw'}": (
        lambda v, top, order=order, whole=whole, packed=packed: tiff(
            (FULL if whole else top) - v, order, True, deflated=packed
        )
    )
    for order in "<>"
    for whole in (False, True)
    for packed in (False, True)
}
# Files that say it
DECLARED: dict[str, Callable[[Values, int], bytes]] = {
    "PNG sBIT, values at the left": lambda v, top: png(v << shift(top), top.bit_length()),
    "PNG sBIT, values repeated": lambda v, top: png(
        v << shift(top) | v >> (top.bit_length() - shift(top)), top.bit_length()
    ),
    "PNG sBIT, values at the right": lambda v, top: png(v, top.bit_length()),
    **{
        f"TIFF {order} tag {tag}": (
            lambda v, top, order=order, tag=tag: tiff(v, order, **{f"t{tag}": [top]})
        )
        for order in "<>"
        for tag in (MAX_SAMPLE, SMAX_SAMPLE)
    },
    "PGM or PPM": pnm,
}


def shift(top: int) -> int:
    return 16 - top.bit_length()


def cases(kinds: dict[str, Callable[[Values, int], bytes]], depths: tuple[int, ...]) -> list:
    return [
        pytest.param(make, depth, id=f"{name} {depth}")
        for name, make in kinds.items()
        for depth in depths
    ]


def check(data: bytes, expected: Values, depth: int = 16) -> None:
    gray = expected.ndim == 2
    header = read_header(data)
    assert (header.wide or expected.max() < 256, header.gray or not gray) == (True, True)
    got = decode(data, 8, gray, depth)
    np.testing.assert_array_equal(got[..., 0] if gray else got, expected)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)], ids=["gray", "colour"])
@pytest.mark.parametrize(("make", "depth"), cases(UNDECLARED, DEPTHS))
def test_the_sets_depth_is_white(
    make: Callable[[Values, int], bytes], depth: int, shape: tuple[int, ...]
) -> None:
    values = noise(depth, *shape)
    data = make(values, 2**depth - 1)
    assert significant_bits(data) == depth
    check(data, values >> (depth - 8), depth)


@pytest.mark.parametrize(("make", "depth"), cases(GRAY_UNDECLARED, DEPTHS))
def test_white_may_be_zero(make: Callable[[Values, int], bytes], depth: int) -> None:
    values = noise(depth, 8, 8)
    data = make(values, 2**depth - 1)
    assert significant_bits(data) == depth
    check(data, values >> (depth - 8), depth)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", [8, 12, 15])
@pytest.mark.parametrize("bits", [16, 32])
def test_signed_values_without_a_sign(order: str, depth: int, bits: int) -> None:
    values = noise(depth, 8, 8)
    data = tiff(values, order, bits=bits, t339=[2])
    assert significant_bits(data) == depth
    check(data, values >> (depth - 8), depth)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)], ids=["gray", "colour"])
@pytest.mark.parametrize(("make", "depth"), cases(DECLARED, DEPTHS[1:-1]))
def test_what_a_format_declares_goes_before_the_depth_of_the_set(
    make: Callable[[Values, int], bytes], depth: int, shape: tuple[int, ...]
) -> None:
    values = noise(depth, *shape)
    data = make(values, 2**depth - 1)
    assert significant_bits(data) == 0
    for of_set in (8, 16):
        check(data, values >> (depth - 8), of_set)
    dark = make(values // 8, 2**depth - 1)
    check(dark, values // 8 >> (depth - 8))


@pytest.mark.parametrize("white", [15, 100, 1000, 50000])
@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_the_white_of_a_portable_map_may_be_any_number(white: int, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, white + 1, shape)
    check(pnm(values, white), np.floor(values * 255 / white + 0.5).astype(int))


@pytest.mark.parametrize("bits", [12, 16])
def test_alpha_of_16_bits_shows_white(bits: int) -> None:
    top = 2**bits - 1
    values, alpha = noise(bits, 8, 8, 3), noise(bits, 8, 8)
    alpha[2] = 0
    high = alpha[..., None] >> (bits - 8)
    expected = ((values >> (bits - 8)) * high + 255 * (255 - high)) / 255
    stored = np.dstack([values, alpha])
    for data in (png(stored), tiff(stored, "<", t338=[2]), tiff(stored, ">", t338=[2])):
        np.testing.assert_allclose(decode(data, 8, False, bits), expected, atol=1)
    premultiplied = np.dstack([values * alpha[..., None] // top, alpha])
    got = decode(tiff(premultiplied, "<", t338=[1]), 8, False, bits)
    np.testing.assert_allclose(got, expected, atol=2)


def test_a_transparent_value_of_16_bits_shows_white() -> None:
    gray, colours = noise(16, 8, 8), noise(16, 8, 8, 3)
    expected = np.where(gray == gray[3, 3], 255, gray >> 8)
    check(png(gray, clear=struct.pack(">H", gray[3, 3])), expected)
    expected = colours >> 8
    expected[3, 3] = 255
    check(png(colours, clear=struct.pack(">HHH", *colours[3, 3])), expected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(noise(16, 8, 8), "<", t339=[2]), "negative values"),
        (tiff(noise(16, 8, 8, 3), "<", t284=[2]), "16-bit colours in separate planes"),
        (tiff(noise(16, 8, 8), "<", bits=32, t339=[3]), "floating-point pixels"),
        (png(noise(14, 8, 8)), "values of 14 bits, where 12 are expected"),
    ],
)
def test_what_cannot_be_scaled_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        decode(data, 8, True, 12)


@pytest.mark.parametrize("used", [8, 12, 13, 16])
def test_without_a_set_like_it_an_image_is_not_guessed_at(used: int) -> None:
    values = noise(used, 8, 8)
    if used > 12:
        check(png(values), values >> 8, UNKNOWN)
        return
    with pytest.raises(UnreadableImage, match=f"values of {used} bits in 16, and nothing says"):
        decode(png(values), 8, True, UNKNOWN)
    check(png(values, sbit=used), values >> (used - 8), UNKNOWN)


@pytest.fixture
def dark(tmp_path: Path) -> Path:
    """12 bits in 16: two classes, one of which stays below an eighth of the other's white."""
    for label, (name, top) in enumerate({"bright": 4096, "dark": 128}.items()):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            values = np.random.default_rng([label, number]).integers(0, top, (6, 6))
            values[0, 0] = top - 1
            (tmp_path / "data" / name / f"{number}.png").write_bytes(png(values))
    return tmp_path / "data"


def test_one_factor_for_the_whole_set_is_found_used_and_told(dark: Path) -> None:
    index = open_index(str(dark))
    config = RunConfig(data=str(dark))
    assert dict(index.table.groupby("class")["depth"].max()) == {"bright": 12, "dark": 8}
    _, data = load(index, resolve(config, index))
    assert (index.depth, data.depth) == (12, 12)
    for row, path in enumerate(data.ids):
        expected = decode((dark / path).read_bytes(), 6, True, 12)
        np.testing.assert_array_equal(data.pixels[row], expected)
    assert data.pixels.max() == 255 and data.pixels[data.labels == 1].max() == 127 >> 4
    [said] = [line for line in remarks(index, config) if line.kind == "depth"]
    assert str(said) == (
        "data: 16 images of 16 bits do not say how many of them count; the largest value takes "
        "12, so 4095 is white in all; 8 of them stay below a sixteenth of that"
    )


def test_another_largest_value_makes_other_pixels(dark: Path) -> None:
    config = RunConfig(data=str(dark))
    index = open_index(str(dark))
    _, before = load(index, resolve(config, index))
    (dark / "bright" / "0.png").write_bytes(png(noise(16, 6, 6)))
    index = open_index(str(dark))
    _, after = load(index, resolve(config, index))
    assert after.depth == 16
    np.testing.assert_array_equal(after.pixels[1:], before.pixels[1:] >> 4)


def test_images_of_one_colour_are_told(tmp_path: Path, image_tree: Path) -> None:
    for name in ("x", "y"):
        (image_tree / "train" / "red" / f"{name}.png").write_bytes(png(np.full((4, 4), 900)))
    config = RunConfig(data=str(image_tree))
    for _ in ("decoded", "found decoded"):
        index = open_index(str(image_tree))
        index, _ = load(index, resolve(config, index))
        [said] = [line for line in remarks(index, config) if line.kind == "single"]
        told = "2 images are of one colour only, once decoded: train/red/x.png, train/red/y.png"
        assert str(said) == f"colors: {told}"
