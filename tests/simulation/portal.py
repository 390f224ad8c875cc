"""A person who captures, refunds and cancels in the provider's own portal, without the gateway."""

from typing import TYPE_CHECKING

from checkout.money import Money
from checkout.payments.providers.base import EventKind
from tests.support.memory_provider.books import Order, OrderState

if TYPE_CHECKING:
    from tests.simulation.shopper import Shopper
    from tests.simulation.world import World

HOUR = 3600.0


class PortalUser:
    """A person who handles one shopper's order in the provider's portal."""

    def __init__(self, world: "World", shopper: "Shopper") -> None:
        self._world = world
        self._chance = world.chance
        self._shopper = shopper

    async def run(self) -> None:
        """Make one or two movements, at any time."""
        for _ in range(self._chance.number(1, 2)):
            await self._world.sleep(self._chance.around(self._chance.one_of((60.0, HOUR, 24 * HOUR))))
            order = self._order()
            if order is not None:
                self._act(order)

    def _order(self) -> Order | None:
        """Return the payment's order for which money is held or was captured."""
        code = f"{self._shopper.reference}-"
        found = (each for each in self._world.bank.books.orders.values() if each.order_code.startswith(code))
        live = [each for each in found if each.state == OrderState.AUTHORISED]
        return live[0] if self._shopper.reference and live else None

    def _act(self, order: Order) -> None:
        asked = order.asked_for(EventKind.CAPTURED)
        uncaptured = order.amount - asked
        unrefunded = order.captured - order.asked_for(EventKind.REFUNDED) - order.charged_back
        wishes = ["capture"] if uncaptured.minor > 0 else []
        wishes += ["refund"] * 2 if unrefunded.minor > 0 else []
        wishes += ["cancel"] if not asked.minor else []
        if not wishes:
            return
        wish = self._chance.one_of(wishes)
        self._world.bank.used_portal.add(self._shopper.reference)
        if wish == "cancel":
            self._world.trace.note("portal", "cancels", order.order_code)
            self._world.bank.cancel(order)
            return
        kind = EventKind.CAPTURED if wish == "capture" else EventKind.REFUNDED
        amount = self._part_of(uncaptured if wish == "capture" else unrefunded)
        self._world.trace.note("portal", f"{wish}s", amount, order.order_code)
        self._world.bank.move(order, kind, amount)
        if self._chance.happens("same_again"):
            self._world.later(HOUR, lambda: self._world.bank.move(order, kind, amount))

    def _part_of(self, amount: Money) -> Money:
        if self._chance.of(0.5):
            return amount
        return Money(self._chance.number(1, amount.minor), amount.currency)
