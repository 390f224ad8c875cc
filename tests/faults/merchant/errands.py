"""The merchant's errands: payments are created, captured, voided and refunded, in right and wrong ways.

The merchant's program handles half of the payments, and its back office the others. Both use an idempotency
key for every movement of money.
"""

import asyncio
from dataclasses import dataclass
from itertools import count
from random import Random

from checkout.money import Money
from checkout.states import PaymentState
from tests.faults.merchant.requester import LOOK_SECONDS, Patience, Requester, Wish
from tests.faults.recorder import Asked, Recorder

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
# The provider may cancel an order by itself that was to be captured.
ENDED = frozenset({PaymentState.VOIDED, PaymentState.EXPIRED})

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
# The longest pause before the next part: long enough for the provider to book some parts in between.
BETWEEN_PARTS_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Order:
    """A payment that was created, how it is captured, and the requester that handles it."""

    reference: str
    amount: Money
    is_manual: bool
    through: Requester
    customer: str = ""


class Merchant:
    """The merchant. Its requests go through one of its `requesters`, which is drawn for each payment."""

    def __init__(self, requesters: tuple[Requester, ...], recorder: Recorder, patience: Patience) -> None:
        self._requesters = requesters
        self._recorder = recorder
        self._patience = patience
        self._numbers = count()

    async def create(self, name: str, customer: str, random: Random) -> Order | None:
        """Create a payment for the order `name`, sometimes twice. Return None when the campaign is over."""
        sku, minor, currency = random.choice(PRICES)
        wish = Wish(name, sku, Money(minor, currency), is_manual=random.random() < MANUAL, customer=customer)
        through = random.choice(self._requesters)
        times = 2 if random.random() < 0.05 else 1
        answers = [await through.create(wish) for _ in range(times)]
        for answer in answers:
            self._recorder.asked.append(Asked("", "create", minor, name, answer or ""))
        if not answers[0]:
            return None
        return Order(answers[0], wish.amount, wish.is_manual, through, customer)

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
        """Request two parts and then the rest. The provider's last event is the same after both parts."""
        for percentage in (random.randint(10, 40), random.randint(10, 40)):
            await self._ask(order, kind, _share(order.amount, percentage))
            await self._patience.pause(random.uniform(0, BETWEEN_PARTS_SECONDS))
        await self._ask(order, kind, None)

    async def _ask_from_two_desks(self, order: Order, kind: str) -> None:
        await asyncio.gather(
            self._ask(order, kind, order.amount, key="one"),
            self._ask(order, kind, order.amount, key="two"),
        )

    async def _ask(self, order: Order, kind: str, amount: Money | None, *, key: str = "") -> None:
        """Send a request, and repeat it with the same key until there is an answer."""
        key = key or f"{kind}-{next(self._numbers)}"
        answer = await order.through.ask(order.reference, kind, amount, key)
        minor = amount.minor if amount else None
        self._recorder.asked.append(Asked(order.reference, kind, minor, key, answer or ""))

    async def _until_settled(self, order: Order) -> bool:
        """Return True once the payment is captured; False if that is impossible, or the campaign is over."""
        while (state := await order.through.state_of(order.reference)) is not None:
            if state in SETTLED:
                return True
            if state in ENDED:
                return False
            await self._patience.pause(LOOK_SECONDS)
        return False


def _share(amount: Money, percentage: int) -> Money:
    return Money(max(1, amount.minor * percentage // 100), amount.currency)
