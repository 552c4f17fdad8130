"""What a request asks: every form, every limit, and that no limit comes after its cost."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mlp.serving.request import CSV, JSON, MOST_BYTES, MOST_IMAGES, MOST_PIXELS, Refused, read
from tests.quickness import at_once

SIZE = 32


def encoded(side: int, form: str = "PNG", mode: str = "RGB", **options: object) -> str:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, form, **options)
    return encoded_bytes(file.getvalue())


def encoded_bytes(data: bytes) -> str:
    return base64.b64encode(data).decode()


GOOD = encoded(4)


def bodies(images: list[object]) -> list[tuple[str, bytes]]:
    """The same images in MLflow's forms, with columns that are not asked for."""
    made: list[tuple[str, bytes]] = [
        (JSON, json.dumps(body).encode())
        for body in (
            {"dataframe_split": {"columns": ["n", "image"], "data": [[1, i] for i in images]}},
            {"dataframe_records": [{"image": i, "n": None} for i in images]},
            {"instances": [{"image": i} for i in images], "params": {"top_k": 3}},
            {"inputs": {"image": images, "n": [1.5, "x"]}, "params": None},
        )
    ]
    return [*made, (CSV, "\n".join(["image,n", *(f"{i},1" for i in images)]).encode())]


@pytest.mark.parametrize("number", range(5))
def test_every_form_says_the_same(number: int) -> None:
    kind, body = bodies([GOOD, "zzz!", GOOD])[number]
    for content in (body, b"\xef\xbb\xbf" + body):
        asked = read(kind, bytearray(content), SIZE)
        assert asked.files[0] == asked.files[2] == base64.b64decode(GOOD)
        assert "base64" in str(asked.files[1]) and asked.top_k == 3
        # what rows cost beyond their pixels, which the unreadable one has as well
        assert asked.work == 2 * 4 * 4 + 3 * 100_000


def test_the_most_images_pass_and_one_more_does_not() -> None:
    for kind, body in bodies([GOOD] * MOST_IMAGES):
        assert len(read(kind, bytearray(body), SIZE).files) == MOST_IMAGES
    for kind, body in bodies([GOOD] * (MOST_IMAGES + 1)):
        refused(413, "images", kind, body)


def refused(status: int, why: str, kind: str, body: bytes) -> None:
    with pytest.raises(Refused, match=why) as caught:
        read(kind, bytearray(body), SIZE)
    assert caught.value.status == status
    said = str(caught.value)
    assert "\n" not in said and len(said) < 300 and GOOD not in said


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"null", 400, "one of dataframe_split"),
        (b"[]", 400, "one of dataframe_split"),
        (b'{"inputs": 3}', 400, "one of dataframe_split"),
        (b'{"inputs": {"image": {}}}', 400, "one of dataframe_split"),
        (b'{"inputs": {"picture": ["x"]}}', 400, "that has a column 'image'"),
        (b'{"inputs": {"image": ["x"]}, "instances": []}', 400, "one of dataframe_split"),
        (b'{"inputs": {"image": ["x"]}, "\\ud800": 1}', 400, "one of dataframe_split"),
        (b'{"instances": [1]}', 400, "one of dataframe_split"),
        (b'{"dataframe_split": {"columns": ["image"]}}', 400, "one of dataframe_split"),
        (b'{"dataframe_split": {"columns": 3, "data": []}}', 400, "one of dataframe_split"),
        (
            b'{"dataframe_split": {"columns": ["image", "image"], "data": []}}',
            400,
            "one of dataframe_split",
        ),
        (b'{"dataframe_split": {"columns": ["image"], "data": [3]}}', 400, "one of"),
        (b'{"inputs": {"image": []}}', 400, "this one holds 0"),
        (b'{"inputs": {"image": ["x"], "image": ["y"]}}', 400, "a key twice"),
        (b'{"inputs": {"image": [NaN]}}', 400, "it holds NaN"),
        (b'{"inputs": {"image": [-Infinity]}}', 400, "it holds -Infinity"),
        (b'{"inputs": {"image": [' + b"9" * 5000 + b"]}}", 400, "too many digits"),
        (b'{"inputs": {"image": [-' + b"9" * 21 + b"]}}", 400, "too many digits"),
        (b"9" * 10**6, 400, "too many digits"),
        (b'{"inputs": \xff}', 400, "UTF-8"),
        ('{"inputs": {"image": ["x"]}}'.encode("utf-16"), 400, "UTF-8"),
        (b"[" * 5000, 400, "nested too deeply"),
        (b"[" * 10**6, 413, "little else"),
        (b'{"inputs": {"image": [' + b"[]," * 10**6 + b"[]]}}", 413, "little else"),
        (b'{"a": "' + b"," * 10**6 + b'"}', 413, "little else"),
    ],
)
def test_a_body_that_asks_nothing_is_told_why(body: bytes, status: int, why: str) -> None:
    refused(status, why, JSON, body)


@pytest.mark.parametrize(
    "top_k", [0, -1, -(10**15), 1.5, 2.0, "3", True, None, [1], {"a": 1}, 1e300]
)
def test_a_wrong_top_k_is_refused(top_k: object) -> None:
    body = json.dumps({"inputs": {"image": [GOOD]}, "params": {"top_k": top_k}})
    refused(400, "top_k should be an integer of 1 or more", JSON, body.encode())


@pytest.mark.parametrize("params", [[], 3, "x", {"topk": 3}, {"top_k": 3, "": 1}])
def test_wrong_params_are_refused(params: object) -> None:
    body = json.dumps({"inputs": {"image": [GOOD]}, "params": params}).encode()
    refused(400, "params should be an object", JSON, body)


def test_a_large_top_k_is_all_classes() -> None:
    body = json.dumps({"inputs": {"image": [GOOD]}, "params": {"top_k": 10**15}}).encode()
    assert read(JSON, bytearray(body), SIZE).top_k == 10**15


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "CSV with a column 'image'"),
        (b"image\n", "this one holds 0"),
        (b"a,b\n1,2\n", "CSV with a column 'image'"),
        (b'image\n"abc\n', "CSV with a column 'image'"),
        (b"\xff\xfe\0", "CSV with"),
        (b"image\n\xff\n", "UTF-8"),
        (b"\n" * 10**6, "CSV with a column 'image'"),
        (b"image" + b",x" * 64, "at most 64 columns"),
        (b"image" + b",x" * 3000 + b"\n" + b"x\n" * 1000, "at most 64 columns"),
        (b'"\n",image' + b",x" * 16_000 + b"\n" + b"x\n" * 1000, "at most 64 columns"),
    ],
)
def test_csv_that_asks_nothing_is_told_why(body: bytes, why: str) -> None:
    refused(400, why, CSV, body)


def test_base64_over_many_lines_is_one_row_of_csv() -> None:
    lines = base64.encodebytes(base64.b64decode(encoded(64, "BMP"))).decode()
    body = f'image\n"{lines}"\n'
    [file] = read(CSV, bytearray(body.encode()), SIZE).files
    assert file == base64.b64decode(encoded(64, "BMP"))


@pytest.mark.parametrize(
    ("image", "each"),
    [
        (encoded(1000), 1.0),
        (encoded(1000, "BMP"), 1.0),
        (encoded(1000, "JPEG"), 0.25),  # decoded at an eighth
        (encoded(1001, "JPEG"), 1.0),  # which eight does not divide
        (encoded(1000, "JPEG", progressive=True), 1.0),
        (encoded(1000, "PNG", "RGBA"), 2.0),
        (encoded(1000, "PNG", "P"), 2.0),
        (encoded(1000, "PNG", "I;16"), 2.0),
        (encoded(1000, "PNG", "L", transparency=3), 2.0),
        (encoded(1000, "WEBP"), 2.0),
    ],
)
def test_pixels_count_as_what_they_cost(image: str, each: float) -> None:
    body = json.dumps({"inputs": {"image": [image]}}).encode()
    asked = read(JSON, bytearray(body), SIZE)
    side = 1001 if (each, len(image)) == (1.0, len(encoded(1001, "JPEG"))) else 1000
    assert abs(asked.work - 100_000 - each * 1000**2) <= (2001 if side == 1001 else 0)
    most = int(MOST_PIXELS / each / 1000**2) + 1
    body = json.dumps({"inputs": {"image": [image] * most}}).encode()
    if len(body) < MOST_BYTES:
        refused(413, "16 million pixels", JSON, body)


def test_a_jpeg_of_many_scans_counts_all_of_them() -> None:
    """Each scan is a pass over all pixels, and takes a few bytes of the file."""
    file = bytearray(base64.b64decode(encoded(1000, "JPEG", progressive=True)))
    start = file.index(b"\xff\xda")
    scan = bytes(file[start:-2])
    file[start:-2] = scan * 30
    body = json.dumps({"inputs": {"image": [base64.b64encode(file).decode()]}}).encode()
    refused(413, "million pixels", JSON, body)


HOSTILE = {
    "empty lists": (JSON, b'{"inputs": {"image": [' + b"[]," * (MOST_BYTES // 3 - 10) + b"[]]}}"),
    "brackets": (JSON, b"[" * MOST_BYTES),
    "quotes": (JSON, b'"' * MOST_BYTES),
    "digits": (JSON, b'{"inputs": {"image": [' + b"9" * (MOST_BYTES - 30) + b"]}}"),
    "fraction": (JSON, b'{"inputs": {"image": [0.' + b"9" * (MOST_BYTES - 30) + b"]}}"),
    "escapes": (JSON, b'{"inputs": {"image": ["' + b"\\u0041" * (MOST_BYTES // 6 - 9) + b'"]}}'),
    "rows": (CSV, b"image\n" + b"x\n" * (MOST_BYTES // 2 - 3)),
    "lines": (CSV, b"image\n" + b"\n" * (MOST_BYTES - 6)),
    "columns": (CSV, b"image," + b"x," * (MOST_BYTES // 2 - 6)),
    "many columns": (CSV, b"image," + b"x," * 16_000 + b"\n" + b"x\n" * 1000),
    "no end": (CSV, b'image\n"' + b"x" * (MOST_BYTES - 7)),
    "random": (
        JSON,
        json.dumps(
            {"inputs": {"image": [encoded_bytes(np.random.default_rng(0).bytes(2**23))]}}
        ).encode(),
    ),
    "zeros": (CSV, b"image\n" + b"\0" * (MOST_BYTES - 6)),
}


@pytest.mark.slow  # not for its time, but for the machine on which other things run
@pytest.mark.parametrize("name", HOSTILE)
def test_the_largest_of_bodies_are_refused_in_less_than_a_second(name: str) -> None:
    kind, body = HOSTILE[name]
    assert len(body) <= MOST_BYTES

    def check() -> None:
        try:
            read(kind, bytearray(body), SIZE)
        except Refused as error:
            assert 400 <= error.status < 500

    at_once(check)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([GOOD, "image", "columns", "data", "inputs", "instances"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text() | st.sampled_from(["image", "columns", "data", "params", "top_k"]), inner
        )
    ),
    max_leaves=15,
)
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


@settings(max_examples=300, deadline=None)
@given(
    asked=st.dictionaries(st.sampled_from([*FORMS, "params", "other"]), VALUES, max_size=3),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3),
    kind=st.sampled_from([JSON, CSV]),
)
def test_anything_at_all_is_read_or_refused(
    asked: dict[str, object], changes: list[tuple[int, int]], kind: str
) -> None:
    body = bytearray(json.dumps(asked).encode())
    for place, byte in changes:
        body[place % len(body)] = byte
    try:
        read(kind, body, SIZE)
    except Refused as error:
        assert error.status in (400, 413) and "\n" not in str(error) and len(str(error)) < 300
