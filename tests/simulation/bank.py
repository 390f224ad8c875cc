"""Behind the provider: what it is asked, what it decides later, and the notifications it sends."""

import json
from typing import TYPE_CHECKING

from checkout import operations
from checkout.money import Money
from checkout.providers.base import Authorisation, Modification
from checkout.providers.memory import MemoryProvider
from checkout.providers.memory_books import Books, Order, OrderState, books_of, forget_books
from tests.simulation.web import Unanswered

if TYPE_CHECKING:
    from tests.simulation.world import World

ACCOUNT = "twin"
MERCHANT_CODE = "TWIN"
LIES = (
    "AUTHORISED",
    "REFUSED",
    "CANCELLED",
    "CAPTURED",
    "REFUNDED",
    "REFUND_FAILED",
    "EXPIRED",
    "CHARGED_BACK",
)


class Bank:
    """Watches the books of the twin, and posts its notifications until they are acknowledged."""

    def __init__(self, world: "World") -> None:
        forget_books()
        self._world = world
        self._chance = world.chance
        self._posted = 0
        self._authorisations: set[str] = set()
        self._letters = 0

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
        self._post_notifications()

    def refunded(self, request: Modification) -> None:
        """Note that money was given back; the issuer may return it after hours, or it is lied about."""
        if self._chance.refund_is_denied():
            order = self.books.orders[request.order_code]
            lie = self._letter(order, "REFUND_FAILED", request.amount, reference=request.reference)
            self._world.later(self._chance.around(5), lambda: self._post(lie))
        if self._chance.happens("refund_returned"):
            self._world.later(self._chance.between(600, 2 * 86_400), lambda: self._return_refund(request))

    def _return_refund(self, request: Modification) -> None:
        order = self.books.orders[request.order_code]
        order.refunded -= request.amount
        self._post(self._letter(order, "REFUND_FAILED", request.amount, reference=request.reference))

    def _letter(self, order: Order, event: str, amount: Money, **others: object) -> bytes:
        self._letters += 1
        text = {
            "merchant_code": MERCHANT_CODE,
            "order_code": order.order_code,
            "event": event,
            "minor": amount.minor,
            "currency": amount.currency,
            "reference": "",
            "number": f"letter {self._letters}",
        }
        return json.dumps(text | others).encode()

    def _forged(self, order: Order) -> bytes:
        """Return what somebody could send who knows the address and has seen the order's number."""
        lie: dict[str, object] = self._chance.one_of(
            (
                {"minor": order.amount.minor + 1},
                {"currency": "USD"},
                {"merchant_code": "ANOTHER"},
                {"order_code": f"{order.order_code}0"},
                {},
            ),
            (4, 2, 2, 1, 6),
        )
        return self._letter(order, self._chance.one_of(LIES), order.amount, **lie)

    def _post(self, body: bytes) -> None:
        for _ in range(2 if self._chance.happens("notification_copied") else 1):
            self._world.spawn(self._deliver(body))

    def _post_notifications(self) -> None:
        notifications = self.books.notifications()
        for body in notifications[self._posted :]:
            self._post(body)
        self._posted = len(notifications)
        for order in self.books.orders.values():
            if self._chance.happens("notification_forged"):
                self._post(self._forged(order))

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
                return
