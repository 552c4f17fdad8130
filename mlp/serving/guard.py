"""What stands between the network and `mlflow models serve`.

MLflow's scoring server answers some malformed requests with its own stack trace and paths (a body
that is no CSV), some with 500 (no content type, JSON nested thousands deep), and reads bodies of
any size. The guard answers those itself, and takes stack traces out of what the server says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# 1,024 pictures of 60 kilobytes in base64, which is more than a server should take at once
MOST_BYTES = 80 * 2**20
CONTENT_TYPES = ("application/json", "text/csv")


class Guard:
    """An ASGI application around another: `/invocations` is checked, the rest passed on."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/invocations":
            await self.app(scope, receive, send)
            return
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        if kind.split(";")[0].strip().lower() not in CONTENT_TYPES:
            await _refuse(send, 415, f"content type should be one of {', '.join(CONTENT_TYPES)}")
            return
        body = await _read(receive)
        if body is None:
            await _refuse(send, 413, f"a request should hold at most {MOST_BYTES} bytes")
            return
        await self._forward(body, scope, send)

    async def _forward(self, body: bytes, scope: Message, send: Send) -> None:
        """Pass a request on whose body was read, and look at the answer before it goes out."""
        answer: list[Message] = []

        async def once() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            answer.append(message)

        try:
            await self.app(scope, once, keep)
        except RecursionError:
            await _refuse(send, 400, "the body is nested too deeply")
            return
        start, *parts = answer
        text = b"".join(part.get("body", b"") for part in parts)
        if start["status"] >= 400:
            await _refuse(send, start["status"], _message(text))
            return
        await send(start)
        await send({"type": "http.response.body", "body": text})


async def _read(receive: Receive) -> bytes | None:
    """The body, or None as soon as it is too large."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _message(text: bytes) -> str:
    """What an error answer says, without the stack trace and the request itself."""
    try:
        said = json.loads(text)
        message = str(said["message"]) if isinstance(said, dict) else str(said)
    except (ValueError, KeyError):
        message = text.decode("utf-8", "replace")
    # "Failed to predict data '<the whole request>'. \nError: <why>"
    if message.startswith("Failed to predict data"):
        message = message.rpartition("\nError: ")[2]
    if message.startswith("Failed to enforce schema of data"):
        message = "Failed to enforce schema" + message[message.rfind(" with schema ") :]
    return message[:1000]


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error_code": _CODES.get(status, "BAD_REQUEST"), "message": message})
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


_CODES = {413: "REQUEST_LIMIT_EXCEEDED", 415: "INVALID_PARAMETER_VALUE", 500: "INTERNAL_ERROR"}


def guard_server() -> None:
    """In the process of a scoring server, stand in front of the application it is about to make.

    MLflow loads the model, then makes a FastAPI application, and has no hook in between.
    """
    import fastapi
    from mlflow.pyfunc import scoring_server

    if scoring_server._SERVER_MODEL_PATH not in os.environ:
        return

    class Guarded(fastapi.FastAPI):
        async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
            await Guard(super().__call__)(scope, receive, send)

    fastapi.FastAPI = Guarded  # type: ignore[misc]
