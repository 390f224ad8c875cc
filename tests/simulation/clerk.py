"""Clerks, who capture, void and refund: partly or fully, too much, twice, and concurrently."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments import actions
from checkout.states import PaymentState
from tests.simulation.web import Unanswered

if TYPE_CHECKING:
    from tests.simulation.shopper import Shopper
    from tests.simulation.world import World

Request = Callable[..., actions.OperationView]

# The requests that are likely in each state. Now and then a clerk makes one of the other requests.
WISHES: dict[PaymentState, tuple[Request, ...]] = {
    PaymentState.AUTHORISED: (*[actions.request_capture] * 4, actions.request_void),
    PaymentState.CAPTURE_PENDING: (actions.request_capture,),
    PaymentState.PARTIALLY_CAPTURED: (actions.request_capture, actions.request_refund),
    PaymentState.CAPTURED: (actions.request_refund,),
    PaymentState.PARTIALLY_REFUNDED: (actions.request_refund,),
}
ANYTHING: tuple[Request, ...] = (
    actions.request_capture,
    actions.request_void,
    actions.request_refund,
)
# The number of refunds in parts, and the bounds of the seconds between them.
PARTS = 3
PART_SECONDS = (1800.0, 6 * 3600.0)


class Clerk:
    """A clerk who handles one shopper's payment."""

    def __init__(self, world: "World", shopper: "Shopper") -> None:
        self._world = world
        self._chance = world.chance
        self._shopper = shopper

    async def run(self) -> None:
        """Make a few requests, with pauses in between."""
        for number in range(self._chance.one_of((1, 2, 3, 4), (2, 3, 3, 2))):
            # Sometimes the next request follows at once, while the previous one is still being processed.
            await self._world.sleep(self._chance.around(900 if self._chance.of(0.7) else 10))
            if not self._shopper.reference:
                continue
            state = self._world.state_of(self._shopper.reference)
            wishes = WISHES.get(state, ())
            if not wishes or self._chance.of(0.1):
                wishes = ANYTHING if self._chance.of(0.1) else ()
            if wishes:
                request = self._chance.one_of(wishes)
                self._ask(request, f"wish {number}")
        if self._chance.happens("refunded_in_parts"):
            await self._refund_in_parts()

    async def _refund_in_parts(self) -> None:
        """Ask for small refunds one after the other, with a long pause after each."""
        for number in range(PARTS):
            await self._world.sleep(self._chance.seconds_of("refunded_in_parts", *PART_SECONDS))
            if actions.request_refund in WISHES.get(self._world.state_of(self._shopper.reference), ()):
                part = Money(max(1, self._shopper.amount.minor // 10), self._shopper.amount.currency)
                self._send_soon(actions.request_refund, f"part {number}", part)

    def _ask(self, request: Request, key: str) -> None:
        amount = self._amount() if request is not actions.request_void else None
        # A double click sends the same key twice. Two clerks send different keys.
        keys = [key, key] if self._chance.of(0.2) else [key]
        if self._chance.of(0.2):
            keys.append(f"{key} of a colleague")
        for each in keys:
            self._send_soon(request, each, amount)
        if amount is not None and self._chance.of(0.2):
            # The same key with another amount is another request, which must not get the first one's answer.
            another = Money(max(1, amount.minor + self._chance.one_of((-1, 1))), amount.currency)
            self._send_soon(request, key, another)

    def _send_soon(self, request: Request, key: str, amount: Money | None) -> None:
        options = {} if request is actions.request_void else {"amount": amount}

        def ask() -> actions.OperationView:
            return request(self._shopper.reference, idempotency_key=key, by="clerk", **options)

        self._world.spawn(self._send(ask, amount))

    def _amount(self) -> Money | None:
        """Return a part, half, more than half, everything left (None), or more than the payment's amount."""
        owed = self._shopper.amount
        match self._chance.one_of(("all", "part", "half", "most", "too much"), (3, 4, 2, 2, 1)):
            case "all":
                return None
            case "part":
                return Money(self._chance.number(1, owed.minor // 2), owed.currency)
            case "half":
                return Money(owed.minor // 2, owed.currency)
            case "most":
                return Money(self._chance.number(owed.minor // 2 + 1, owed.minor), owed.currency)
            case _:
                return Money(owed.minor + 1, owed.currency)

    async def _send(self, operation: Callable[[], actions.OperationView], amount: Money | None) -> None:
        while True:
            try:
                view = await self._world.request(operation)
            except Unanswered:
                await self._world.sleep(self._chance.between(1, 5))
            except OperationRejected as rejection:
                self._world.trace.note("clerk", "is refused", self._shopper.reference, rejection)
                return
            else:
                self._world.trace.note("clerk", "asked for", view.kind, view.amount, view.reference)
                if self._chance.erases_at_once():
                    self._world.spawn(self._world.program.erase_soon(self._shopper.reference))
                if amount not in (None, view.amount):
                    self._world.violations.append(
                        f"I7: {view.kind} {view.reference} of {view.amount} answers a request for {amount}"
                    )
                return
