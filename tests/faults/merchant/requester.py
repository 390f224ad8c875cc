"""The contract of the two ways in which a merchant makes payments and moves their money."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from checkout.money import Money
from checkout.states import PaymentState

T = TypeVar("T")

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """The payment to create for the order `name`, perhaps of a `customer`."""

    name: str
    sku: str
    amount: Money
    is_manual: bool
    customer: str = ""


class Requester(Protocol):
    """A way to make requests, which repeats each request until there is an answer.

    Every method returns None when the campaign is over.
    """

    async def create(self, wish: Wish) -> str | None:
        """Create a payment and return its reference."""
        ...

    async def ask(self, payment: str, kind: str, amount: Money | None, key: str) -> str | None:
        """Request a capture, refund or void. Return the operation's reference, or the name of the refusal."""
        ...

    async def state_of(self, payment: str) -> PaymentState | None:
        """Return the state of a payment."""
        ...


class Patience:
    """The patience of a client, which lasts until the campaign is over and sets `stop`."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    async def until_answered(
        self, request: Callable[[], Awaitable[T]], no_answer: tuple[type[Exception], ...]
    ) -> T | None:
        """Repeat a request as long as it raises one of `no_answer`. Return None when the campaign is over."""
        while not self._stop.is_set():
            with contextlib.suppress(*no_answer):
                return await request()
            await self.pause(LOOK_SECONDS)
        return None

    async def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until the campaign is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
