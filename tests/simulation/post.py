"""The sending of the provider's notifications: true, wrong and forged ones."""

import json
from typing import TYPE_CHECKING, Any

from checkout.money import Money
from checkout.payments import actions
from tests.simulation.habits import Habits
from tests.simulation.web import Unanswered
from tests.support.memory_provider.order import Order

if TYPE_CHECKING:
    from tests.simulation.world import World

ACCOUNT = "twin"
MERCHANT_CODE = "TWIN"
LIES = (
    "AUTHORISED",
    "REFUSED",
    "CANCELLED",
    "CAPTURED",
    "SETTLED",
    "REFUND_SENT",
    "REFUNDED",
    "REFUND_FAILED",
    "EXPIRED",
    "CHARGED_BACK",
    "CHARGE_BACK_REVERSED",
    "INFORMATION_REQUESTED",
)
DAY = 86_400.0
# The references of captures and refunds that were made in the portal begin with this.
PORTAL = "portal "
# The keys of notifications with a wrong amount begin with this.
SLIP = "slip "
# If the order's sums are not reported, only the notification shows the amount of these events.
BY_ISSUER = ("CHARGED_BACK", "CHARGE_BACK_REVERSED")
# Only notifications of captures and refunds may omit the amount; those of issuers' actions contain it.
WITHOUT_AMOUNT = ("CAPTURED", "REFUND_SENT", "REFUNDED", "REFUND_FAILED")


class Post:
    """A sender that repeats each notification until it is acknowledged. Some are late, doubled or wrong."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._chance = world.chance
        self._letters = 0

    def send(self, letter: dict[str, Any], habits: Habits) -> None:
        """Send a notification in accordance with the bank's habits, perhaps with a wrong amount."""
        letter = self._world.disputed_money.as_told(letter)
        if habits.omits_amounts and letter["event"] in WITHOUT_AMOUNT:
            letter = letter | {"minor": None, "currency": ""}
        is_lost = False
        may_be_compared = letter["event"] not in BY_ISSUER and letter["minor"] is not None
        if may_be_compared and self._chance.happens("notification_wrong"):
            self._letters += 1
            slip = letter | {"minor": self._another(letter["minor"]), "number": f"{SLIP}{self._letters}"}
            self._post(self._keyed(slip), is_proven=not habits.is_open)
            is_lost = self._chance.of(0.3)
        if not is_lost:
            self._post(self._keyed(letter), is_proven=not habits.is_open)

    def contradict(self, order: Order, event: str, amount: Money, reference: str) -> None:
        """Send a proven notification about an operation that contradicts an earlier one."""
        letter = self._letter(order, event, amount, reference=reference)
        self._post(self._keyed(letter), is_proven=True)

    def forge(self, order: Order) -> None:
        """Send a forged notification, which requires only the address and the order code."""
        if order.under_way and self._chance.of(0.7):
            # An attacker can guess which notification comes next.
            movement = order.under_way[0]
            letter = self._letter(order, movement.kind.upper(), movement.amount)
            self._post(self._keyed(letter), is_proven=False)
            return
        lie: dict[str, Any] = self._chance.one_of(
            (
                {"minor": self._another(order.amount.minor)},
                {"currency": "USD"},
                {"merchant_code": "ANOTHER"},
                {"order_code": f"{order.order_code}0"},
                {"minor": None, "currency": ""},
                {},
            ),
            (4, 2, 2, 1, 2, 6),
        )
        letter = self._letter(order, self._chance.one_of(LIES), order.amount, **lie)
        self._post(self._keyed(letter), is_proven=False)

    def _another(self, minor: int) -> int:
        """Return an amount that is too small or too large."""
        return max(1, minor + self._chance.one_of((-1, 1, -(minor // 2), minor)))

    def _letter(self, order: Order, event: str, amount: Money, **others: object) -> dict[str, Any]:
        self._letters += 1
        return {
            "merchant_code": MERCHANT_CODE,
            "order_code": order.order_code,
            "event": event,
            "minor": amount.minor,
            "currency": amount.currency,
            "reference": "",
            "number": f"letter {self._letters}",
            **others,
        }

    def _post(self, letter: dict[str, Any], *, is_proven: bool) -> None:
        body = json.dumps(letter).encode()
        for _ in range(2 if self._chance.happens("notification_copied") else 1):
            self._world.spawn(self._deliver(body, is_proven=is_proven))

    def _keyed(self, letter: dict[str, Any]) -> dict[str, Any]:
        """Return the notification; in some schedules its key is its content and day.

        Such a notification has no reference of a movement made in the portal.
        """
        if not self._chance.has_content_keys:
            return letter
        reference = "" if letter["reference"].startswith(PORTAL) else letter["reference"]
        is_slip = str(letter["number"]).startswith(SLIP)
        day = int(self._world.clock.now // DAY)
        content = (letter["order_code"], letter["event"], letter["minor"], letter["currency"], reference, day)
        key = f"{SLIP if is_slip else ''}{'/'.join(map(str, content))}"
        return letter | {"reference": reference, "number": key}

    async def _deliver(self, body: bytes, *, is_proven: bool) -> None:
        pause_seconds = self._chance.around(0.5)
        if self._chance.happens("notification_late"):
            least, most = self._chance.one_of(((30, 7200), (86_400, 4 * 86_400)), (4, 1))
            pause_seconds = self._chance.between(least, most)
        channel = "proves" if is_proven else "notifies"
        while True:
            await self._world.sleep(pause_seconds)
            self._world.trace.note("provider", channel, body.decode())
            try:
                await self._world.request(
                    lambda: actions.record_notification(ACCOUNT, body, is_proven=is_proven),
                    point="web.notification_stored",
                )
            except Unanswered:
                pause_seconds = self._chance.between(5, 60)
            else:
                return
