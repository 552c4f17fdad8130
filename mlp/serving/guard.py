"""The application that answers in the place of that of `mlflow models serve`.

`/invocations` is answered here: MLflow's own way to the model reads bodies of any size, checks
nothing before it is paid for, and puts stack traces, paths and the request itself into its answers.
MLflow answers `/ping`, `/health` and `/version`; there is no other path.

A request waits for a place in one of two lanes: large ones are answered one after the other, and
none of them takes a place of the small ones.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from types import ModuleType
from typing import Any, Protocol

from mlp.serving.bodies import BUSY, SMALL, Bodies, Message, Receive
from mlp.serving.request import CSV, JSON, MOST_BYTES, Question, Refused, read

Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
_log = logging.getLogger(__name__)

_MLFLOWS = ("/ping", "/health", "/version")
_SMALL_WORK = 2_000_000  # pixels decoded in the time that answering takes: a tenth of a second
_LARGE_AT_ONCE, _LARGE_WAITING, _SMALL_WAITING = 1, 2, 64
_WAIT = 2.0  # seconds for a place in a lane
_DRAIN = 4.0  # seconds to go on receiving from a client that does not read its answer yet


class Model(Protocol):
    """Something that answers questions."""

    image_size: int

    def records(self, question: Question) -> list[dict[str, Any]]:
        """A row an image. Raises Refused."""


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: App, model: Model) -> None:
        self._app, self._model = app, model
        cores = min(os.cpu_count() or 1, 8)
        self._bodies = Bodies()
        self._small = _Lane(cores, _SMALL_WAITING)
        self._large = _Lane(_LARGE_AT_ONCE, _LARGE_WAITING)
        self._threads = ThreadPoolExecutor(cores + _LARGE_AT_ONCE, "answering")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _MLFLOWS:
            await self._app(scope, receive, send)
            return
        unread: Receive | None = receive
        try:
            kind = _kind(scope)
            async with self._bodies.body(receive) as body:
                unread = None
                status, answer = 200, await self._answer(kind, body)
        except Refused as refused:
            status, answer = refused.status, _error(refused.status, str(refused))
        except Exception:
            _log.exception("a request could not be answered")
            status, answer = 500, _error(500, "the server could not answer; its log says why")
        # Outside of the exception, which keeps what was read
        await _say(send, status, answer, unread)

    async def _answer(self, kind: str, body: bytearray) -> bytes:
        model, do = self._model, asyncio.get_running_loop().run_in_executor
        ask: Callable[[], Question] = partial(read, kind, body, model.image_size)
        if len(body) <= SMALL:
            async with self._small.place():
                asked = await do(self._threads, ask)
                if asked.work <= _SMALL_WORK:
                    return await do(self._threads, _predictions, model, asked)
            ask = lambda: asked  # noqa: E731
        async with self._large.place():
            return await do(self._threads, _large, model, ask)


class _Lane:
    """So many requests at once, and so many that wait."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free, self._room = asyncio.Semaphore(at_once), at_once + waiting

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Raises Refused where too many wait already, or for too long."""
        if not self._room:
            raise Refused(429, BUSY)
        self._room -= 1
        try:
            async with asyncio.timeout(_WAIT):
                await self._free.acquire()
        except TimeoutError:
            self._room += 1
            raise Refused(429, BUSY) from None
        try:
            yield
        finally:
            self._free.release()
            self._room += 1


def _kind(scope: Message) -> str:
    """The content type of what is asked. Raises Refused from the headers alone."""
    headers: dict[bytes, str] = {k: str(value, "latin-1") for k, value in scope["headers"]}
    if scope["path"] != "/invocations":
        raise Refused(404, "there is nothing here; ask /invocations")
    if scope["method"] != "POST":
        raise Refused(405, "send images with POST")
    kind, *more = [part.strip().lower() for part in headers.get(b"content-type", "").split(";")]
    if kind not in (JSON, CSV):
        raise Refused(415, f"content type should be {JSON} or {CSV}")
    if [part for part in more if part.startswith("charset") and "utf-8" not in part]:
        raise Refused(415, "the charset should be UTF-8")
    if headers.get(b"content-encoding", "identity").strip().lower() != "identity":
        raise Refused(415, "the body should be sent as it is, without a content encoding")
    length = headers.get(b"content-length", "")
    # Whoever declares a length of more digits than that is refused as well
    if length.isdigit() and (len(length) > 12 or int(length) > MOST_BYTES):
        raise Refused(413, f"a request should hold at most {MOST_BYTES} bytes")
    return kind


def _predictions(model: Model, question: Question) -> bytes:
    # Row by row: a server of a thousand classes would stand still while it writes all of them
    rows = [json.dumps(row, allow_nan=False) for row in model.records(question)]
    return f'{{"predictions": [{", ".join(rows)}]}}'.encode()


def _large(model: Model, asked: Callable[[], Question]) -> bytes:
    try:
        return _predictions(model, asked())
    finally:
        # Freed memory goes back to the system: of what a large request took, glibc keeps the most
        with suppress(OSError, AttributeError):  # another system, another library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _error(status: int, message: str) -> bytes:
    code = _CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    return json.dumps({"error_code": code, "message": message}).encode()


async def _say(send: Send, status: int, body: bytes, receive: Receive | None) -> None:
    """Send an answer; `receive` where the request was not read to its end."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 429:
        headers.append((b"retry-after", b"1"))
    if status == 405:
        headers.append((b"allow", b"POST"))
    if receive is not None:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if receive is not None:
        # The answer is out; closing at once would cut off a client that is still sending
        await send({"type": "http.response.body", "body": body, "more_body": True})
        body = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN):
                while (await receive()).get("more_body", False):
                    pass
    await send({"type": "http.response.body", "body": body})


_CODES = {
    404: "ENDPOINT_NOT_FOUND",
    408: "REQUEST_TIMEOUT",
    413: "REQUEST_LIMIT_EXCEEDED",
    415: "INVALID_PARAMETER_VALUE",
    429: "RESOURCE_EXHAUSTED",
}


def guard_server(server: ModuleType, model: Model) -> None:
    """Stand in front of the application of MLflow's server.

    The server is a module that loads the model and then makes `app`; there is no hook in between.
    So the module gets a class of its own, by which whoever asks for its `app` gets the guard. No
    other module is touched, and a program that loads a model finds nothing changed.
    """

    @cache
    def guard() -> Guard:
        return Guard(vars(server)["app"], model)

    class Guarded(ModuleType):
        app = property(lambda _: guard())

    server.__class__ = Guarded
