"""`mlflow models serve`, started for real: every form of request, and every misuse of one."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.serving import served
from mlp.data.sources.walk import Notes
from mlp.serving.loading import load_packaged
from mlp.serving.prediction import find_images, predict
from mlp.tracking.mlflow.store import open_store
from tests.serving.conftest import Trained
from tests.serving.test_registry import register

pytestmark = pytest.mark.slow

JSON, CSV = "application/json", "text/csv"
Request = tuple[bytes, str | None]


class Client:
    """Sends requests to the server, each on a connection of its own."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        self.port, self.process = port, process

    def post(self, body: bytes, kind: str | None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(
            "POST", "/invocations", body, {} if kind is None else {"Content-Type": kind}
        )
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer.status, text

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> int:
        """The status that a request gets whose headers are as given."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            lines = [
                f"{name}: {value}" for name, value in ({"Host": "x"} | (headers or {})).items()
            ]
            head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
            connection.sendall(head.encode() + body)
            return int(connection.recv(1000).split()[1])

    def labels(self, request: Request) -> list[str]:
        status, text = self.post(*request)
        assert status == 200, text
        return [row["label"] for row in json.loads(text)["predictions"]]


@pytest.fixture
def client(trained: Trained) -> Iterator[Client]:
    store = open_store("mlp")
    register(store, trained.strong)
    with served("models:/colors@champion", store.uri) as (port, process):
        yield Client(port, process)


def forms(images: list[object], column: object = "image") -> list[Request]:
    """The same images in all four forms of JSON."""
    bodies = [
        {"dataframe_split": {"columns": [column], "data": [[image] for image in images]}},
        {"dataframe_records": [{str(column): image} for image in images]},
        {"inputs": {str(column): images}},
        {"instances": [{str(column): image} for image in images]},
    ]
    return [(json.dumps(body).encode(), JSON) for body in bodies]


def bomb(width: int, height: int) -> str:
    """A PNG of a few bytes that claims to be very large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + parts).decode()


def misuses(good: str) -> list[Request]:
    """Two hundred and more requests that no server should answer, and none should fall over."""
    found: list[Request] = []
    svg = base64.b64encode(b"<svg/>").decode()
    bombs = [bomb(100_000, 100_000), bomb(2_000_000, 1)]
    others = ["/etc/passwd", "../x", "é" * 9, None, 3, 3.5, True, [1], {"a": 1}, [good]]
    for value in ["zzz!", "", "aGVsbG8=", svg, good[:80], *bombs, *others]:
        found += forms([value])
    for column in ("img", "Image", "", 0):
        found += forms([good], column)
    found += forms([])
    found += forms([good[:40]] * 10_000)
    found.append((b"image\n" + b"x\n" * 10_000, CSV))
    for body in (b"", b"{", b"null", b"[]", b"3", b'"x"', b"{}", b'{"foo": 1}', b"\xff\xfe",
                 b'{"dataframe_split": {}}', b'{"dataframe_split": null}', b'{"instances": [1]}',
                 b'{"dataframe_records": "x"}', b'{"inputs": 3}', b"[" * 100_000,
                 b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"):  # fmt: skip
        found.append((body, JSON))
    for params in ({"top_k": 0}, {"top_k": "x"}, {"top_k": [1]}, [], 3):
        found.append((json.dumps({"inputs": {"image": [good]}, "params": params}).encode(), JSON))
    for body in (b"image\n", b"", b"a\nb\n", b'image\n"abc\n', b"\xff\xfe\0", b"a,b\n1,2,3\n4\n"):
        found.append((body, CSV))
    for kind in ("text/plain", "image/jpeg", "", None, "multipart/form-data"):
        found.append((b"x", kind))
    found.append((b"x" * (81 * 2**20), JSON))
    for text in ("9" * 5000, "-" + "9" * 5000, "NaN", "-Infinity", "1e999", '"\\ud800"', "1.5"):
        found.append((f'{{"inputs": {{"image": [{text}]}}}}'.encode(), JSON))
        params = f'{{"inputs": {{"image": ["{good}"]}}, "params": {{"top_k": {text}}}}}'
        found.append((params.encode(), JSON))
    twice = f'{{"inputs": {{"image": ["{good}"]}}, "inputs": {{"image": ["{good}"]}}}}'
    found += [(twice.encode(), JSON), (twice.encode("utf-16"), JSON)]
    found.append((gzip.compress(forms([good])[0][0]), JSON))
    found += [(forms([good])[0][0], f"{JSON}; charset=latin-1"), (b"a" * 100, f'{CSV}; charset="')]
    rng = random.Random(0)
    for _ in range(80):
        body = bytearray(json.dumps({"inputs": {"image": ["x" * 30]}}).encode())
        for _ in range(rng.randint(1, 8)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        found.append((bytes(body), JSON))
    return found


def test_all_forms_answer_as_predict_does_and_no_misuse_is_answered(
    client: Client, trained: Trained
) -> None:
    ensemble = load_packaged(open_store("mlp")).ensemble
    made = list(predict(ensemble, find_images([str(trained.images / "val")], Notes())))
    expected = [ensemble.classes[int(p.answer.probabilities.argmax())] for p in made]  # type: ignore[union-attr]
    images = [base64.b64encode(Path(p.path).read_bytes()).decode() for p in made]
    assert len(expected) == 61
    for request in forms(list(images)):
        assert client.labels(request) == expected
    assert client.labels(("\n".join(["image", *images]).encode(), CSV)) == expected

    status, text = client.post(*forms([images[0], "zzz!"])[0])
    first, second = json.loads(text)["predictions"]
    assert status == 200 and first["label"] == expected[0]
    assert second["label"] is None and "base64" in second["error"]

    requests = misuses(images[0])
    assert len(requests) > 200
    for body, kind in requests[:50]:
        client.post(body, kind)  # so that memory is compared when everything has been used
    before = client.process.memory_info().rss
    for body, kind in requests:
        status, text = client.post(body, kind)
        assert 400 <= status < 500, (status, body[:100], kind, text[:500])
        assert json.loads(text)["message"]
        for leak in (
            "Traceback",
            "stack_trace",
            "site-packages",
            str(Path.home()),
            "/tmp/",
            'File "',
        ):
            assert leak not in text, (body[:100], text[:500])
    assert client.process.memory_info().rss < before + 50 * 2**20

    for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "//invocations", "/"):
        assert client.send("GET", path) == client.send("POST", path) == 404
    for path in ("/ping", "/health", "/version"):
        assert client.send("GET", path) == 200
    for method in ("GET", "HEAD", "PUT", "OPTIONS", "PATCH", "BREW"):
        assert client.send(method, "/invocations") == 405
    encoded = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    assert client.send("POST", "/invocations", encoded) == 415
    chunked = {"Content-Type": JSON, "Transfer-Encoding": "chunked"}
    [good, _] = forms([images[0]])[2]
    parts = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (good[:99], good[99:])) + b"0\r\n\r\n"
    assert client.send("POST", "/invocations", chunked, parts) == 200
    assert client.labels(forms([images[0]])[2]) == expected[:1]
