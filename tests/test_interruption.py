"""Signals become an exception once, and handlers are put back."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlp.processes import Interrupted, interruptible, stoppable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_and_a_second_one_does_not(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    cleaned = False
    with pytest.raises(Interrupted) as caught, interruptible():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            cleaned = True
    assert cleaned
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is former


@pytest.mark.usefixtures("usual_interrupt")
def test_in_somebody_s_process_the_first_interruption_is_the_usual_one() -> None:
    former, cleaned = signal.getsignal(signal.SIGINT), False
    assert former is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt), stoppable():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned = True
    assert cleaned and signal.getsignal(signal.SIGINT) is former


def test_whoever_has_a_handler_keeps_it_and_a_thread_has_none() -> None:
    heard: list[int] = []
    former = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with stoppable():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, former)
    assert len(heard) == 2

    def in_a_thread() -> bool:
        with stoppable():
            return True

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(in_a_thread).result()
