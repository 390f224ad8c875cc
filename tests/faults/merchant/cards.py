"""The merchant's errands with saved cards: charge them later, remove them, and erase the payment."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random

from checkout.money import Money
from tests.faults.merchant.back_office import BackOffice
from tests.faults.merchant.errands import PRICES, Order
from tests.faults.merchant.program import Program
from tests.faults.recorder import Asked, Recorder

# Few customers, so that the same one comes again with the same card, whose token is then known.
CUSTOMERS = tuple(f"customer-{number}" for number in range(1, 21))
ERRANDS = {
    "charge": 30,
    "charge twice at once": 15,
    "charge while it is removed": 20,
    "remove, then charge": 20,
    "leave it": 15,
}
REASONS = ("unscheduled", "recurring", "instalment")
# The share of a customer's purchases that are erased at the end, if their processing has ended.
ERASED = 0.3


class CardKeeper:
    """The part of the merchant's program that knows the saved cards of its customers."""

    def __init__(self, program: Program, back_office: BackOffice, recorder: Recorder) -> None:
        self._program = program
        self._back_office = back_office
        self._recorder = recorder
        self._numbers = count()

    async def entrance(self, order: Order) -> str:
        """Return the path that leads a customer to the payment's page with the saved cards."""
        return await self._program.entrance(order.reference)

    async def run_errand(
        self, order: Order, random: Random, then: Callable[[Order, Random], Awaitable[None]]
    ) -> None:
        """Do something with a card of the customer who has paid. ``then`` handles a payment charged to it."""
        gone = set(self._recorder.removed)
        cards = await self._program.cards_of(order.customer)
        for card in gone.intersection(cards):
            self._recorder.card_faults.append(f"the removed card {card} is listed for {order.customer}")
        if cards:
            await self._deal_with(random.choice(cards), order, random, then)
        if random.random() < ERASED:
            await self._erase(order.reference)

    async def _deal_with(
        self, card: str, order: Order, random: Random, then: Callable[[Order, Random], Awaitable[None]]
    ) -> None:
        charged: str | None = None
        match random.choices(list(ERRANDS), list(ERRANDS.values()))[0]:
            case "charge":
                charged = await self._charge(card, order, random)
            case "charge twice at once":
                charged = await self._charge(card, order, random, times=2)
            case "charge while it is removed":
                charged, _ = await asyncio.gather(self._charge(card, order, random), self._remove(card))
            case "remove, then charge":
                await self._remove(card)
                charged = await self._charge(card, order, random)
        if charged and await self._program.is_paid(charged):
            await then(Order(charged, order.amount, is_manual=False, through=self._program), random)

    async def _charge(self, card: str, order: Order, random: Random, times: int = 1) -> str | None:
        """Charge a card for a new order. Return the payment's reference, or None if there is no payment."""
        name = f"{order.reference}-{next(self._numbers)}"
        sku, minor, currency = random.choice(PRICES)
        amount, reason = Money(minor, currency), random.choice(REASONS)
        was_removed = card in self._recorder.removed
        tries = (self._program.charge(card, name, sku, amount, reason) for _ in range(times))
        for answer in await asyncio.gather(*tries):
            if answer is None:  # the campaign is over
                return None
            self._recorder.asked.append(Asked("", "charge", minor, name, answer))
            if not answer.startswith("pay_"):
                self._recorder.charges_refused.add(name)
            elif was_removed:
                self._recorder.card_faults.append(f"{answer} was accepted for {card}, which was removed")
        return answer if answer.startswith("pay_") else None

    async def _remove(self, card: str) -> None:
        if await self._program.remove_card(card):
            self._recorder.removed.setdefault(card, time.time())

    async def _erase(self, payment: str) -> None:
        if await self._back_office.erase(payment):
            self._recorder.erased.setdefault(payment, time.time())
