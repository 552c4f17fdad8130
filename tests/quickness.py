"""What a hostile input may cost: processor time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

MOST_SECONDS = 1.0
_TRIES = 3

T = TypeVar("T")


def at_once(call: Callable[[], T]) -> T:
    """What the call answers, which takes less than a second.

    An input that is slow is slow each time. Garbage of other tests is collected and modules are
    imported once, so a slow call is tried again before it is told.
    """
    taken = []
    for _ in range(_TRIES):
        begun = time.process_time()
        answer = call()
        taken.append(time.process_time() - begun)
        if taken[-1] < MOST_SECONDS:
            return answer
    raise AssertionError(f"each of {_TRIES} tries took more than {MOST_SECONDS} s: {taken}")
