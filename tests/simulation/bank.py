"""Behind the provider: what it is asked, what it decides later, and the notifications it sends."""

from typing import TYPE_CHECKING

from checkout import operations
from checkout.providers.base import Authorisation
from checkout.providers.memory import MemoryProvider
from checkout.providers.memory_books import Books, OrderState, books_of, forget_books
from tests.simulation.web import Unanswered

if TYPE_CHECKING:
    from tests.simulation.world import World

ACCOUNT = "twin"
MERCHANT_CODE = "TWIN"


class Bank:
    """Watches the books of the twin, and posts its notifications until they are acknowledged."""

    def __init__(self, world: "World") -> None:
        forget_books()
        self._world = world
        self._chance = world.chance
        self._posted = 0
        self._authorisations: set[str] = set()
        self.letters_under_way = 0

    @property
    def books(self) -> Books:
        """Return what the provider believes."""
        return books_of(ACCOUNT)

    def asked_to_authorise(self, request: Authorisation) -> None:
        """Note that an authorisation has arrived; a second one of the same order is a repeat in the blind."""
        if request.order_code in self._authorisations:
            self._world.violations.append(f"I2: {request.order_code} was sent to be authorised twice")
        self._authorisations.add(request.order_code)

    def decide_later(self, twin: MemoryProvider, order_code: str) -> None:
        """Let an authorisation that is pending be decided after a while."""

        def decide() -> None:
            order = self.books.orders[order_code]
            if order.state == OrderState.PENDING:
                order.state = self._chance.one_of((OrderState.AUTHORISED, OrderState.REFUSED))
                self.books.notify(MERCHANT_CODE, order, order.amount)
                self.after_request(twin)

        self._world.later(self._chance.around(120), decide)

    def after_request(self, twin: MemoryProvider) -> None:
        """Check that no more money moved than may, and post what there is to notify."""
        for order in self.books.orders.values():
            if order.captured > order.amount or order.refunded > order.captured:
                self._world.violations.append(
                    f"I2: {order.order_code}: {order.amount} authorised, {order.captured} captured, "
                    f"{order.refunded} refunded"
                )
        notifications = self.books.notifications()
        for body in notifications[self._posted :]:
            copies = 2 if self._chance.happens("notification_copied") else 1
            for _ in range(copies):
                self.letters_under_way += 1
                self._world.spawn(self._deliver(body))
        self._posted = len(notifications)

    async def _deliver(self, body: bytes) -> None:
        late = self._chance.happens("notification_late")
        pause_seconds = self._chance.between(30, 7200) if late else self._chance.around(0.5)
        while True:
            await self._world.sleep(pause_seconds)
            self._world.trace.note("provider", "notifies", body.decode())
            try:
                await self._world.request(
                    lambda: operations.record_notification(ACCOUNT, body), point="web.notification_stored"
                )
            except Unanswered:
                pause_seconds = self._chance.between(5, 60)
            else:
                self.letters_under_way -= 1
                return
