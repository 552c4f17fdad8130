"""Signals become an exception once, and handlers are put back."""

from __future__ import annotations

import signal

import pytest

from mlp.processes import Interrupted, interruptible


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
