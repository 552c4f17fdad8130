"""The question in a request, read so that each limit holds before its cost is paid."""

from __future__ import annotations

import base64
import csv
import io
import json
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import pandas as pd

from mlp.data.images.decoding import drafted, read_header
from mlp.errors import UnreadableImage

JSON, CSV = "application/json", "text/csv"
# Reading takes some six times of it in memory, where a letter beyond Unicode's first 65,536 is
# in the body
MOST_BYTES = 16 * 2**20
MOST_IMAGES = 1024
# What one core decodes in less than a second (PNG, benchmarks/README.md), in 160 MB
MOST_PIXELS = 16_000_000
# Commas, colons and brackets: there is no value without one of them
_MOST_MARKS = 16 * MOST_IMAGES
_SCANS = 10  # a progressive JPEG as encoders make it; each is a pass over all pixels
# Answering takes as long as decoding so many pixels: network and familiarity
_PIXELS_AN_IMAGE = 100_000
_TOP = 3
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_SHAPE = (
    f"the body should be an object with one of {', '.join(_FORMS)} that has a column 'image', and "
    'with params where wanted: {"inputs": {"image": ["<file in base64>"]}, "params": {"top_k": 3}}'
)
_MOST_HEAD, _MOST_COLUMNS = 4096, 64  # bytes and columns of a CSV's first line
_TABLE = f"the body should be CSV with a column 'image' and at most {_MOST_COLUMNS} columns"
_COLUMN = "column 'image' should hold an image file in base64"


class Refused(Exception):
    """A request that is not answered: the reason in words, and HTTP's code for it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Question:
    """Encoded images, or why a row holds none, and how many classes each answer should name.

    `work`: how long answering takes, as the number of pixels decoded in that time.
    """

    files: Sequence[bytes | str]
    top_k: int
    work: int


def read(kind: str, body: bytearray, size: int) -> Question:
    """The question in a body of a content type, for a network of `size`. Raises Refused."""
    marks = (b",",) if kind == CSV else (b",", b":", b"[", b"{")
    if sum(map(body.count, marks)) > _MOST_MARKS:
        raise Refused(413, f"a request should hold at most {MOST_IMAGES} images and little else")
    given, top_k = _from_csv(body) if kind == CSV else _from_json(body)
    return question(given, top_k, size)


def question(given: Sequence[object], top_k: object, size: int) -> Question:
    """The question that values of the column `image` ask. Raises Refused."""
    if not 0 < len(given) <= MOST_IMAGES:
        raise Refused(
            413 if given else 400,
            f"a request should hold 1 to {MOST_IMAGES} images; this one holds {len(given)}",
        )
    if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1:
        raise Refused(400, f"top_k should be an integer of 1 or more{_given(top_k)}")
    files: list[bytes | str] = []
    pixels = 0
    for value in given:
        try:
            file = _decoded(value)
            pixels += _cost(file, size)
            files.append(file)
        except UnreadableImage as error:
            files.append(str(error))
        if pixels > MOST_PIXELS:
            raise Refused(
                413,
                f"a request should hold at most {MOST_PIXELS // 10**6} million pixels; "
                "send fewer or smaller images at once",
            )
    return Question(files, top_k, pixels + _PIXELS_AN_IMAGE * len(files))


def _given(top_k: object) -> str:
    return f", not {top_k}" if isinstance(top_k, int) and abs(top_k) < 10**9 else ""


def _cost(file: bytes, size: int) -> int:
    """Time and memory that decoding takes, as a number of pixels of a PNG."""
    header = read_header(file)
    pixels = header.width * header.height
    if file.startswith(b"\xff\xd8"):
        scans = file.count(b"\xff\xda")
        if scans < 3 and drafted(header.width, header.height, size) > 1:
            return pixels // 4  # of a thumbnail and itself; no pixel of it is made at full size
        return pixels * -(-scans // _SCANS)
    if file.startswith(b"\x89PNG"):
        plain = file[24] <= 8 and file[25] in (0, 2) and b"tRNS" not in file
    else:
        plain = file.startswith(b"BM")
    # 8 bits, and neither a palette nor transparency, take half the memory
    return pixels if plain else 2 * pixels


def _from_json(body: bytearray) -> tuple[list[object], object]:
    try:
        asked = json.loads(
            body.decode("utf-8-sig"),
            parse_int=_integer,
            parse_constant=_no_number,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise Refused(400, "the body should be UTF-8") from None
    except RecursionError:
        raise Refused(400, "the body is nested too deeply") from None
    except ValueError:
        raise Refused(400, "the body is no JSON") from None
    forms = set(asked) - {"params"} if isinstance(asked, dict) else set()
    if len(forms) != 1 or not forms <= set(_FORMS):
        raise Refused(400, _SHAPE)
    [form] = forms
    params = {} if asked.get("params") is None else asked["params"]
    if not isinstance(params, dict) or set(params) - {"top_k"}:
        raise Refused(400, "params should be an object that has nothing but top_k")
    return _column(form, asked[form]), params.get("top_k", _TOP)


def _column(form: str, rows: object) -> list[object]:
    """The values of the column `image`."""
    match form, rows:
        case "inputs", {"image": list(values)}:
            return values
        case "inputs", {"image": str(value)}:
            return [value]
        case "dataframe_split", {"columns": list(columns), "data": list(data)}:
            if columns.count("image") == 1 and all(isinstance(row, list) for row in data):
                place = columns.index("image")
                return [row[place] if place < len(row) else None for row in data]
        case (("dataframe_records" | "instances"), list(records)):
            if all(isinstance(row, dict) for row in records):
                return [row.get("image") for row in records]
    raise Refused(400, _SHAPE)


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise Refused(400, "the body holds an integer of too many digits")
    return int(digits)


def _no_number(name: str) -> NoReturn:
    raise Refused(400, f"the body is no JSON: it holds {name}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise Refused(400, "an object of the body has a key twice")
    return made


def _from_csv(body: bytearray) -> tuple[list[object], object]:
    _check_head(body)
    try:
        table = pd.read_csv(
            io.BytesIO(body),
            encoding="utf-8-sig",
            usecols=["image"],
            index_col=False,
            dtype=str,
            keep_default_na=False,
            nrows=MOST_IMAGES + 1,
        )
    except UnicodeDecodeError:
        raise Refused(400, "the body should be UTF-8") from None
    except ValueError:  # pandas' errors among them
        raise Refused(400, _TABLE) from None
    return list(table["image"]), _TOP


def _check_head(body: bytearray) -> None:
    """Refuse more than a few columns: pandas takes seconds for thousands of them."""
    text = body[:_MOST_HEAD].decode("utf-8-sig", "replace").lstrip("\r\n")
    head = io.StringIO(text, newline="")
    try:
        columns = next(csv.reader(head), [])
    except csv.Error:
        raise Refused(400, _TABLE) from None
    cut_off = head.tell() == len(text) and len(body) > _MOST_HEAD
    if cut_off or len(columns) > _MOST_COLUMNS or columns.count("image") != 1:
        raise Refused(400, _TABLE)


def _decoded(value: object) -> bytes:
    """The file in a text of base64: standard or URL-safe, padded or not, alone or as data URL.

    Raises UnreadableImage.
    """
    if not isinstance(value, str) or not value.isascii():
        raise UnreadableImage(_COLUMN)
    text = value.strip()
    if text[:5].lower() == "data:":
        kind, _, text = text.partition(",")
        if not kind.lower().replace(" ", "").endswith(";base64"):
            raise UnreadableImage(f"{_COLUMN}; this data URL is not in base64")
        text = urllib.parse.unquote(text)
    elif text[:2] in ("b'", 'b"'):
        raise UnreadableImage(f"{_COLUMN}; this is Python's b'...' around it: use .decode()")
    letters = "".join(text.split()).translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except ValueError:  # binascii.Error among them, and letters that are not ASCII
        raise UnreadableImage(_COLUMN) from None


_STANDARD = str.maketrans("-_", "+/")
