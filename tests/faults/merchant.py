"""The merchant's server and back office, which create payments, and capture, void and refund them.

They call the same operations as the admin and the API, with an idempotency key for every movement of money.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from django.db import DatabaseError, InterfaceError

from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.actions import OperationView
from checkout.payments.models import Merchant as MerchantRow
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.faults.recorder import Asked, Recorder

T = TypeVar("T")

LOOK_SECONDS = 1.0
PRICES = (
    ("TEA-100", 1250, "GBP"),
    ("MUG-350", 1890, "EUR"),
    ("FAN-210", 2400, "JPY"),
    ("BAG-040", 3495, "GBP"),
)
SETTLED = frozenset(
    {
        PaymentState.CAPTURED,
        PaymentState.PARTIALLY_REFUNDED,
        PaymentState.REFUNDED,
        PaymentState.CHARGED_BACK,
    }
)

# The errands for paid payments, and for authorised ones with manual capture, with their weights.
ERRANDS = {
    "nothing": 42,
    "refund": 8,
    "refund in parts": 20,
    "refund too much": 6,
    "refund while another is under way": 10,
    "refund twice with one key": 6,
    "refund at once from two desks": 8,
}
MANUAL_ERRANDS = {
    "capture": 20,
    "capture in parts": 40,
    "void": 15,
    "capture too much": 7,
    "capture at once from two desks": 10,
    "leave it": 8,
}
# The share of payments with manual capture.
MANUAL = 0.2
# The longest pause before the next part: long enough that some parts are booked by the provider in between.
BETWEEN_PARTS_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Order:
    reference: str
    amount: Money
    is_manual: bool


class Merchant:
    """The merchant. When `stop` is set, all waits end."""

    def __init__(self, recorder: Recorder, stop: asyncio.Event) -> None:
        self._recorder = recorder
        self._stop = stop
        self._row: MerchantRow | None = None

    async def create(self, name: str, random: Random) -> Order | None:
        """Create a payment for the order `name`, sometimes twice. Return None when the campaign is over."""
        sku, minor, currency = random.choice(PRICES)
        is_manual = random.random() < MANUAL
        amount = Money(minor, currency)

        def create() -> str:
            if self._row is None:
                self._row = MerchantRow.objects.get(code="example")
            return actions.create_payment(
                self._row,
                order_reference=name,
                amount=amount,
                lines=[{"sku": sku, "quantity": 1}],
                description=f"Order {name}"[:50],
                shopper_email="shopper@example.com",
                captures_automatically=not is_manual,
            ).reference

        times = 2 if random.random() < 0.05 else 1
        answers = [await self._patiently(create) for _ in range(times)]
        for answer in answers:
            self._recorder.asked.append(Asked("", "create", amount.minor, name, answer or ""))
        return None if answers[0] is None else Order(answers[0], amount, is_manual)

    async def run_errand(self, order: Order, random: Random) -> None:
        """Void, capture or refund a payment by chance, or do nothing."""
        errands = MANUAL_ERRANDS if order.is_manual else ERRANDS
        errand = random.choices(list(errands), list(errands.values()))[0]
        if errand in ("nothing", "leave it"):
            return
        if errand == "void":
            await self._ask(order, "void", None)
        elif order.is_manual:
            await self._capture(order, errand, random)
        elif await self._until_settled(order):
            await self._refund(order, errand, random)

    async def _capture(self, order: Order, errand: str, random: Random) -> None:
        """Capture at once, in three parts, too much, or twice concurrently."""
        match errand:
            case "capture":
                await self._ask(order, "capture", None)
            case "capture in parts":
                await self._ask_in_parts(order, "capture", random)
            case "capture too much":
                await self._ask(order, "capture", _share(order.amount, random.choice((101, 150))))
            case "capture at once from two desks":
                await self._ask_from_two_desks(order, "capture")

    async def _refund(self, order: Order, errand: str, random: Random) -> None:
        """Refund fully or in parts, within or beyond the rest, once or repeatedly."""
        part = _share(order.amount, random.randint(10, 60))
        match errand:
            case "refund":
                await self._ask(order, "refund", None)
            case "refund in parts":
                await self._ask_in_parts(order, "refund", random)
            case "refund too much":
                await self._ask(order, "refund", part)
                await self._ask(order, "refund", order.amount)
            case "refund while another is under way":
                await self._ask(order, "refund", part)
                left = order.amount - part
                more = Money(left.minor + random.randint(1, part.minor), left.currency)
                await self._ask(order, "refund", more)
                await self._ask(order, "refund", left)
            case "refund twice with one key":
                for amount in (part, part, order.amount + part, _share(part, 50)):
                    await self._ask(order, "refund", amount, key="same")
            case "refund at once from two desks":
                await self._ask_from_two_desks(order, "refund")

    async def _ask_in_parts(self, order: Order, kind: str, random: Random) -> None:
        """Request two parts and then the rest. The second part leaves the provider's last event the same."""
        for percentage in (random.randint(10, 40), random.randint(10, 40)):
            await self._ask(order, kind, _share(order.amount, percentage))
            await self._pause(random.uniform(0, BETWEEN_PARTS_SECONDS))
        await self._ask(order, kind, None)

    async def _ask_from_two_desks(self, order: Order, kind: str) -> None:
        await asyncio.gather(
            self._ask(order, kind, order.amount, key="one"),
            self._ask(order, kind, order.amount, key="two"),
        )

    async def _ask(self, order: Order, kind: str, amount: Money | None, *, key: str = "") -> None:
        """Send a request, and repeat it with the same key until there is an answer."""
        key = key or f"{kind}-{len(self._recorder.asked)}"

        def ask() -> OperationView | OperationRejected:
            try:
                match kind:
                    case "capture":
                        return actions.request_capture(
                            order.reference, amount=amount, idempotency_key=key, by="campaign"
                        )
                    case "refund":
                        return actions.request_refund(
                            order.reference, amount=amount, idempotency_key=key, by="campaign"
                        )
                    case _:
                        return actions.request_void(order.reference, idempotency_key=key, by="campaign")
            except OperationRejected as rejection:
                return rejection

        answer = await self._patiently(ask)
        said = answer.reference if isinstance(answer, OperationView) else type(answer).__name__
        minor = amount.minor if amount else None
        self._recorder.asked.append(Asked(order.reference, kind, minor, key, said))

    async def _until_settled(self, order: Order) -> bool:
        while True:
            view = await self._patiently(lambda: actions.payment_view(order.reference))
            if view is None:
                return False
            if view.state in SETTLED:
                return True
            await self._pause(LOOK_SECONDS)

    async def _patiently(self, function: Callable[[], T]) -> T | None:
        """Call `function` until the database answers. Return None when the campaign is over."""
        while not self._stop.is_set():
            with contextlib.suppress(DatabaseError, InterfaceError):
                return await in_thread(function)
            await self._pause(LOOK_SECONDS)
        return None

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def _share(amount: Money, percentage: int) -> Money:
    return Money(max(1, amount.minor * percentage // 100), amount.currency)
