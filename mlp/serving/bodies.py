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
BUSY = "the server is busy; try again"


class _Body:
    """One that is being read or answered; `limit` ends the reading."""

    def __init__(self) -> None:
        self.content, self.whole, self.evicted = bytearray(), False, False
        self.limit = asyncio.timeout(_SECONDS)

    @property
    def small(self) -> bool:
        return len(self.content) <= SMALL


class Bodies:
    """All bodies that a server holds at a time."""

    def __init__(self) -> None:
        self._held: list[_Body] = []  # in the order of their arrival

    @asynccontextmanager
    async def body(self, receive: Receive) -> AsyncIterator[bytearray]:
        """A body, whole. Raises Refused: it is too large, too slow, or there is no room for it.

        Where room is short, the body that has been coming for longest makes it: a client that
        sends at once is not kept out by those that do not.
        """
        body = _Body()
        self._held.append(body)
        try:
            await self._receive(body, receive)
            body.whole = True
            yield body.content
        finally:
            self._held.remove(body)
            body.content.clear()

    async def _receive(self, body: _Body, receive: Receive) -> None:
        now = asyncio.get_running_loop().time
        in_time, more = 0, True
        try:
            async with body.limit:
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
                raise Refused(429, BUSY) from None
            raise Refused(408, "the body came too slowly") from None

    def _make_room(self, newest: _Body) -> None:
        alike = [body for body in self._held if body.small == newest.small]
        too_much = sum(len(body.content) for body in alike) - _MOST_HELD[newest.small]
        for body in alike:
            if too_much > 0 and body is not newest and not body.whole:
                too_much -= len(body.content)
                body.content.clear()
                if not body.limit.expired():
                    body.evicted = True
                    body.limit.reschedule(0)
        if too_much > 0:
            raise Refused(429, BUSY)
