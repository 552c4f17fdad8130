"""Bodies of requests, read with limits to their size, their time and the memory of all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from mlp.serving.request import MOST_BYTES, Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

SMALL = 2**20  # bytes of a body that large ones cannot crowd out
# Bytes of all small, of all large bodies
_MOST_HELD = {True: 16 * 2**20, False: MOST_BYTES + 8 * 2**20}
# A body has this long for each part of so many bytes: a phone far from its mast is quicker
_SECONDS, _PART = 3.0, 192 * 2**10
_BUSY = "the server is busy; try again"


class _Body:
    """One that is being read or answered; `limit` ends the reading."""

    def __init__(self) -> None:
        self.content, self.evicted = bytearray(), False
        self.limit = asyncio.timeout(None)

    @property
    def small(self) -> bool:
        return len(self.content) <= SMALL


class Bodies:
    """All bodies that a server holds at a time."""

    def __init__(self) -> None:
        self._reading: list[_Body] = []  # in the order of their arrival
        self._read: list[_Body] = []

    @asynccontextmanager
    async def body(self, receive: Receive) -> AsyncIterator[bytearray]:
        """A body, whole. Raises Refused: it is too large, too slow, or there is no room for it.

        Where room is short, the body that has been coming for longest makes it: a client that
        sends at once is not kept out by those that do not.
        """
        body = _Body()
        self._reading.append(body)
        try:
            await self._receive(body, receive)
            self._reading.remove(body)
            self._read.append(body)
            yield body.content
        finally:
            for bodies in (self._reading, self._read):
                if body in bodies:
                    bodies.remove(body)
            body.content.clear()

    async def _receive(self, body: _Body, receive: Receive) -> None:
        now = asyncio.get_running_loop().time
        in_time, more = 0, True
        try:
            async with body.limit:
                body.limit.reschedule(now() + _SECONDS)
                while more:
                    message = await receive()
                    if body.evicted or body.limit.expired():
                        raise TimeoutError
                    if message["type"] == "http.disconnect":
                        raise Refused(400, "the body ends early")
                    body.content += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body.content) > MOST_BYTES:
                        raise Refused(413, f"a request should hold at most {MOST_BYTES} bytes")
                    self._make_room(body)
                    if len(body.content) >= in_time + _PART:
                        in_time = len(body.content)
                        body.limit.reschedule(now() + _SECONDS)
        except TimeoutError:
            if body.evicted:
                raise Refused(429, _BUSY) from None
            raise Refused(408, "the body came too slowly") from None

    def _make_room(self, newest: _Body) -> None:
        alike = [b for b in self._reading + self._read if b.small == newest.small]
        held = sum(len(b.content) for b in alike)
        for body in [b for b in alike if b in self._reading and b is not newest]:
            if held <= _MOST_HELD[newest.small]:
                return
            held -= len(body.content)
            self._reading.remove(body)
            body.content.clear()
            if not body.limit.expired():
                body.evicted = True
                body.limit.reschedule(0)
        if held > _MOST_HELD[newest.small]:
            raise Refused(429, _BUSY)
