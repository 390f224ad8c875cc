"""Shoppers, who pay, click twice, fail or forget their challenge, come back late, and try again."""

from typing import TYPE_CHECKING, TypeVar

from checkout.conf import conf
from checkout.errors import (
    IllegalTransition,
    SavedCardNotFound,
    SavedCardNotUsable,
    TokenRejected,
    TooManyAttempts,
)
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.challenge_token import token_for
from checkout.payments.models import Attempt, Merchant
from checkout.payments.providers.base import Browser
from checkout.states import PaymentState
from tests.simulation.web import Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World

T = TypeVar("T")

BROWSER = Browser(accept_header="text/html", user_agent="Simulated", ip_address="127.0.0.1")
CARDS = ("approve", "challenge", "challenge_refuse", "refuse", "pending")
CARD_WEIGHTS = (11, 5, 1, 3, 1)
CURRENCY = "EUR"
MAX_ATTEMPTS = 3
# The time for which a shopper keeps looking at the status page.
PATIENCE_SECONDS = 4 * 86_400
# The longest time for which a customer looks at a page that offers saved cards.
LONGEST_LOOK_SECONDS = 900.0
WAITING = (PaymentState.PROCESSING, PaymentState.CONFIRMING)


class Shopper:
    """One shopper with one order. A ``customer`` of the merchant may have the card saved."""

    def __init__(self, world: "World", number: int, customer: str = "") -> None:
        self._world = world
        self._customer = customer
        self._chance = world.chance
        self._number = number
        self.reference = ""
        self.amount = Money(world.chance.number(2, 5000), CURRENCY)

    async def run(self) -> None:
        """Create a payment and try to pay it, until it is paid or the shopper gives up."""
        chance = self._chance
        lines = [
            {"sku": sku, "quantity": chance.number(1, 2)} for sku in ("tea", "cup") if chance.of(0.5)
        ] or [{"sku": "tea", "quantity": 1}]
        captures = chance.of(0.6)
        email = "shopper@example.com" if chance.of(0.5) else ""
        self.reference = await self._ask(
            lambda: (
                actions.create_payment(
                    Merchant.objects.get(code="shop"),
                    order_reference=f"order-{self._number}",
                    amount=self.amount,
                    lines=lines,
                    description="Tea",
                    shopper_email=email,
                    captures_automatically=captures,
                    customer_reference=self._customer,
                ).reference
            )
        )
        await self.pay(number=1)

    async def pay(self, *, number: int) -> None:
        """Make attempts from this one on, as long as the payment is refused and the shopper has patience."""
        if number > 1 and await self._outcome() != PaymentState.REFUSED:
            return
        for each in range(number, MAX_ATTEMPTS + 1):
            if not await self._pay(each):
                return
            if self._chance.shopper_closes():
                await self._close()
            if self._chance.of(0.3):
                return

    async def _close(self) -> None:
        def close() -> None:
            merchant = Merchant.objects.get(code="shop")
            actions.cancel_payment(self.reference, by="shop", merchant=merchant)

        try:
            await self._ask(close)
        except IllegalTransition:
            self._world.trace.note("shopper", "may not close", self.reference)

    async def _pay(self, number: int) -> bool:
        """Make one attempt. Return True if the payment may be tried again."""
        card = self._chance.one_of(CARDS, CARD_WEIGHTS)
        ticks = bool(self._customer) and self._chance.of(0.7)
        saved_card = await self._chosen_card() if self._customer else ""
        for _ in range(2 if self._chance.of(0.2) else 1):
            self._world.spawn(self._submit(number, card, ticks=ticks, saved_card=saved_card))
        await self._world.sleep(self._chance.around(2))
        if self._chance.of(0.06):
            # While the shopper waits for the answer, or when it comes.
            self._world.spawn(self._give_up() if self._chance.of(0.5) else self._close())
        while True:
            state = await self._outcome()
            if state != PaymentState.CHALLENGE_REQUIRED:
                return state == PaymentState.REFUSED
            if not await self._challenged():
                return False

    async def _chosen_card(self) -> str:
        """Return the saved card that the customer chooses on the page; "" for one that is typed in."""
        offered = self._world.without_loop(self._offered_cards)
        if not offered or not self._chance.happens("saved_card_chosen"):
            return ""
        card = offered[int(self._chance.seconds_of("saved_card_chosen", 0, len(offered)))]
        if self._chance.happens("saved_card_removed"):
            self._world.spawn(self._remove(card))
        await self._world.sleep(self._chance.seconds_of("saved_card_chosen", 0, LONGEST_LOOK_SECONDS))
        self._world.trace.note("shopper", "chooses", card, self.reference)
        return card

    def _offered_cards(self) -> list[str]:
        try:
            page = actions.checkout_page(self.reference, is_customer=True)
        except TooManyAttempts:
            return []
        return [card.reference for card in page.saved_cards] if isinstance(page, actions.CheckoutPage) else []

    async def _remove(self, card: str) -> None:
        await self._world.sleep(self._chance.seconds_of("saved_card_removed", 0, LONGEST_LOOK_SECONDS))
        try:
            await self._ask(lambda: actions.remove_own_saved_card(self.reference, card))
        except SavedCardNotFound:
            return  # the payment was erased, and the customer with it
        self._world.trace.note("shopper", "has removed", card)
        self._world.program.removed.add(card)

    async def _submit(self, number: int, card: str, *, ticks: bool, saved_card: str) -> None:
        def submit() -> actions.Pending:
            if ticks and not saved_card:
                # A form may have a higher number than the attempt that it starts, if another one was in vain.
                self._world.ticked.add(f"{self.reference}-{self._attempts() + 1}")
            return actions.submit_payment(
                self.reference,
                attempt_number=number,
                browser=BROWSER,
                device_data_reference="",
                saves_card=ticks,
                saved_card=saved_card,
            )

        try:
            await self._ask(submit, sealed="" if saved_card else card)
        except (IllegalTransition, SavedCardNotFound, SavedCardNotUsable):
            self._world.trace.note("shopper", "may not pay", self.reference, saved_card)

    async def _outcome(self) -> PaymentState | None:
        """Poll the status page until the payment is decided. Return None after PATIENCE_SECONDS."""
        pause_seconds, waited = 1.0, 0.0
        while waited < PATIENCE_SECONDS:
            state = self._world.state_of(self.reference)
            if state not in WAITING:
                self._world.trace.note("shopper", "sees", self.reference, state)
                return state
            await self._world.sleep(pause_seconds)
            waited += pause_seconds
            pause_seconds = min(pause_seconds * 2, 3600)
        return None

    async def _challenged(self) -> bool:
        """Return from the challenge once, twice, late, or once more later; False if the shopper leaves."""
        attempt = self._world.without_loop(self._latest_attempt)
        token = token_for(attempt)
        ways = ("back", "twice", "late", "again", "away", "gives up", "is closed")
        way = self._chance.one_of(ways, (6, 2, 3, 1, 1, 1, 1))
        await self._world.sleep(self._chance.around(30) if way != "late" else self._lateness())
        if way == "away":
            self._world.trace.note("shopper", "walks away", self.reference)
            return False
        if way == "gives up":
            # Perhaps in another tab, at the same time as a return from the challenge.
            self._world.spawn(self._give_up())
            if self._chance.of(0.5):
                return True
        if way == "is closed":
            self._world.spawn(self._close())
        if way == "twice":
            self._world.spawn(self._return(token, attempt.order_code))
        if way == "again":
            # A return from the browser's history, perhaps while another attempt is being processed.
            self._world.later(
                self._lateness(), lambda: self._world.spawn(self._return(token, attempt.order_code))
            )
        await self._return(token, attempt.order_code)
        await self._world.sleep(self._chance.around(1))
        return True

    async def _give_up(self) -> None:
        self._world.trace.note("shopper", "gives up", self.reference)
        await self._ask(lambda: actions.give_up(self.reference))

    def _lateness(self) -> float:
        """Return the delay of a late return in seconds: around the token's expiry, or long after it."""
        lifetime = conf.challenge_lifetime.total_seconds()
        least, most = self._chance.one_of(((lifetime - 10, lifetime + 40), (lifetime, 20 * lifetime)), (3, 1))
        return self._chance.between(least, most)

    def _attempts(self) -> int:
        return Attempt.objects.filter(payment__reference=self.reference).count()

    def _latest_attempt(self) -> Attempt:
        attempts = Attempt.objects.select_related("payment")
        return attempts.filter(payment__reference=self.reference).latest("number")

    async def _return(self, token: str, order_code: str) -> None:
        def come_back() -> actions.Pending:
            return actions.return_from_challenge(
                self.reference, token, transaction_id="", merchant_data=order_code
            )

        try:
            await self._ask(come_back)
        except (TokenRejected, IllegalTransition) as error:
            self._world.trace.note("shopper", "is turned away", self.reference, str(error))

    async def _ask(self, operation: "Callable[[], T]", *, sealed: str = "") -> T:
        """Send a request, and repeat it until there is an answer, as people do."""
        while True:
            try:
                return await self._world.request(operation, sealed=sealed)
            except Unanswered:
                await self._world.sleep(self._chance.between(1, 5))
