"""The guard before a scoring server: what it lets through, what it refuses, what it hides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from mlp.serving.guard import MOST_BYTES, Guard, Message, Receive, Send


class Server:
    """An ASGI application that answers as it is told, and remembers what it got."""

    def __init__(self, status: int = 200, body: bytes = b'{"predictions": []}') -> None:
        self.status, self.body = status, body
        self.got: bytes | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        self.got = message["body"]
        await send(
            {"type": "http.response.start", "status": self.status, "headers": [(b"a", b"b")]}
        )
        await send({"type": "http.response.body", "body": self.body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": self.body[5:]})


def ask(
    server: Callable[..., object],
    *parts: bytes,
    kind: str | None = "application/json",
    path: str = "/invocations",
) -> tuple[int, bytes]:
    headers = [] if kind is None else [(b"content-type", kind.encode())]
    scope = {"type": "http", "path": path, "headers": headers}
    incoming = [
        {"type": "http.request", "body": part, "more_body": k < len(parts) - 1}
        for k, part in enumerate(parts)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Guard(server)(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_a_good_request_and_its_answer_pass_unchanged() -> None:
    server = Server()
    assert ask(server, b'{"a"', b": 1}") == (200, server.body)
    assert server.got == b'{"a": 1}'
    assert ask(server, b"image\nx\n", kind="text/csv; charset=utf-8")[0] == 200


def test_other_paths_pass_through_whole() -> None:
    async def server(scope: Message, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.request", "body": b"x", "more_body": False}
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"Traceback of a page"})

    assert ask(server, b"x", path="/else") == (404, b"Traceback of a page")


@pytest.mark.parametrize("kind", [None, "", "text/plain", "image/jpeg", "application/jsonx"])
def test_other_content_is_not_read(kind: str | None) -> None:
    server = Server()
    status, body = ask(server, b"x", kind=kind)
    assert status == 415 and server.got is None
    assert "application/json, text/csv" in json.loads(body)["message"]


def test_a_huge_body_is_given_up_as_soon_as_it_is_too_large() -> None:
    server = Server()
    part = bytes(MOST_BYTES // 4)
    status, _ = ask(server, part, part, part, part, b"1", b"never read")
    assert status == 413 and server.got is None
    assert ask(server, part, part, part, part)[0] == 200


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {
                "message": "Failed to predict data 'all of it'. \nError: no row",
                "stack_trace": "File",
            },
            "no row",
        ),
        (
            {"message": "Failed to enforce schema of data 'all of it' with schema 'x'"},
            "Failed to enforce schema with schema 'x'",
        ),
        ({"detail": "other"}, '{"detail": "other"}'),
        ("text", "text"),
    ],
)
def test_an_error_keeps_its_message_alone(said: object, told: str) -> None:
    status, body = ask(Server(400, json.dumps(said).encode()), b"{}")
    assert status == 400
    answer = json.loads(body)
    assert answer["message"] == told and set(answer) == {"error_code", "message"}


def test_an_error_that_is_no_json_is_shortened() -> None:
    status, body = ask(Server(500, b"x" * 5000), b"{}")
    assert status == 500 and len(json.loads(body)["message"]) == 1000


def test_a_body_nested_beyond_python_is_the_clients_error() -> None:
    async def server(scope: Message, receive: Receive, send: Send) -> None:
        raise RecursionError

    assert ask(server, b"[" * 9000)[0] == 400
