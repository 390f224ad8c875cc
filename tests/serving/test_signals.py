"""The signals that end a process: announced first, and passed to the server later."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from payments_gateway.serving.process.signals import SIGNALS, announced


@pytest.fixture
def passed() -> Iterator[list[int]]:
    """Return the signals that the server gets."""
    numbers: list[int] = []
    before = {number: signal.signal(number, lambda got, _frame: numbers.append(got)) for number in SIGNALS}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


async def some_turns() -> None:
    """Run all callbacks of the event loop that are ready now."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_signal_is_announced_and_then_passed_on(passed: list[int]):
    begun: list[str] = []
    with announced(lambda: begun.append(f"after {len(passed)}"), seconds=0):
        signal.raise_signal(signal.SIGTERM)
        assert passed == []
        await some_turns()
    assert (begun, passed) == (["after 0"], [signal.SIGTERM])


@pytest.mark.parametrize("second", SIGNALS)
async def test_a_second_signal_is_passed_on_in_place_of_the_first(passed: list[int], second: signal.Signals):
    """After two signals, uvicorn ends without an orderly shutdown."""
    with announced(lambda: None, seconds=0):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(second)
        assert passed == [second]
        await some_turns()
        assert passed == [second]
        signal.raise_signal(signal.SIGINT)
        assert passed == [second, signal.SIGINT], "those that follow are passed on at once"
