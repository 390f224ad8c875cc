"""The merchant's program, which charges the cards that customers have saved, and removes or erases them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from checkout.errors import (
    DuplicateRequest,
    OperationRejected,
    RequestInvalid,
    SavedCardNotFound,
    SavedCardNotUsable,
)
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.actions.saved_cards import cards_of, charge_card, remove_card
from checkout.payments.actions.shopper.pending import await_payment_command
from checkout.payments.models import Merchant, SavedCard
from tests.simulation.chance import CUSTOMERS
from tests.simulation.clerk import Clerk
from tests.simulation.shopper import CURRENCY, Shopper
from tests.simulation.web import Unanswered

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

HOUR = 3600.0
VISITS = 8
TRIES = 4
ERRANDS = ("charge", "charge a removed card", "charge as another", "remove", "erase")
WEIGHTS = (6, 2, 1, 1, 2)
REASONS = ("unscheduled", "recurring", "instalment")


class Program:
    """The program of the merchant ``shop``. It repeats each request until there is an answer.

    ``removed`` has the cards whose removal was confirmed, ``forgotten`` the payments whose erasure was
    confirmed. ``turned_away`` has the orders whose charge was refused, which must have no payment.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._chance = world.chance
        self._orders = 0
        self.removed: set[str] = set()
        self.forgotten: set[str] = set()
        self.turned_away: set[str] = set()

    async def run(self) -> None:
        """Charge, remove or erase something for a customer now and then."""
        for _ in range(VISITS):
            await self._world.sleep(self._chance.around(self._chance.one_of((60, 2 * HOUR, 12 * HOUR))))
            customer = self._chance.one_of(CUSTOMERS)
            cards = await self._listed(customer)
            if not cards:
                customer = _another_than(customer)
                cards = await self._listed(customer)
            await self._errand(customer, cards)

    async def _listed(self, customer: str) -> list[SavedCard]:
        gone = set(self.removed)
        cards = await self._ask(lambda: list(cards_of(_merchant("shop"), customer)))
        for card in cards:
            if card.reference in gone:
                self._violated(f"the removed card {card.reference} is listed")
        return cards

    async def _errand(self, customer: str, cards: list[SavedCard]) -> None:
        errand = self._chance.one_of(ERRANDS, WEIGHTS)
        self._world.trace.note("program", errand, "for", customer, f"with {len(cards)} cards")
        gone = sorted(self.removed)
        if errand == "charge a removed card" and gone:
            await self._charge(self._chance.one_of(gone), customer)
        elif errand == "erase":
            payment = self._chance.one_of(self._world.shoppers).reference
            if payment:
                await self._erase(payment)
        elif cards:
            card = self._chance.one_of([each.reference for each in cards])
            if errand == "remove":
                await self._remove(card)
            elif errand == "charge as another":
                await self._charge_as_another(card, customer)
            else:
                await self._charge(card, customer)

    async def _charge(self, card: str, customer: str) -> None:
        """Charge a card once or twice at the same time, sometimes while it is being removed."""
        self._orders += 1
        order, amount = f"charge-{self._orders}", Money(self._chance.number(2, 5000), CURRENCY)
        reason, captures = self._chance.one_of(REASONS), self._chance.of(0.7)
        charge = self._charging("shop", card, order, amount, reason, captures_automatically=captures)
        if self._chance.of(0.2):
            self._world.spawn(self._remove(card))
        if self._chance.of(0.3):
            self._world.spawn(self._ask_to_charge(charge, card, order))
        reference = await self._ask_to_charge(charge, card, order)
        if not reference:
            return
        shopper = Shopper(self._world, 0, customer)
        shopper.reference, shopper.amount = reference, amount
        self._world.shoppers.append(shopper)
        if self._chance.of(0.5):
            self._world.spawn(Clerk(self._world, shopper).run())
        await self._ask(lambda: await_payment_command(reference))
        if self._chance.of(0.3) and await self._ask_to_charge(charge, card, order) not in (reference, ""):
            self._violated(f"the order {order} was answered by two payments", "I7")
        if self._chance.of(0.2):
            other = REASONS[REASONS.index(reason) - 1]
            await self._refused_with(
                self._charging("shop", card, order, amount, other, captures_automatically=captures),
                DuplicateRequest,
            )
        # If an issuer demands the shopper, it refuses the charge, and the customer may pay at the checkout.
        self._world.spawn(shopper.pay(number=2))

    async def _ask_to_charge(self, charge: Callable[[], str], card: str, order: str) -> str:
        """Return the payment's reference, or "" if the card cannot be charged, or the payment was erased."""
        was_removed = card in self.removed
        try:
            reference = await self._ask(charge)
        except SavedCardNotUsable as refusal:
            self._world.trace.note("program", "may not charge", card, str(refusal))
            self.turned_away.add(order)
            return ""
        except DuplicateRequest as refusal:
            # A repetition names the customer, but an erased payment has no customer.
            if not self._is_erased(order):
                self._violated(f"the repeated charge of {order} was refused: {refusal}")
            return ""
        if was_removed and order not in self._world.charged:
            self._violated(f"{reference} was accepted for {card}, whose removal was confirmed before")
        self._world.charged.add(order)
        self._world.trace.note("program", "charges", card, reference)
        return reference

    def _is_erased(self, order: str) -> bool:
        erasures = self._world.rows.execute(
            "SELECT 1 FROM payments_fact f JOIN payments_payment p ON p.id = f.payment_id "
            "WHERE p.order_reference = ? AND f.kind = 'personal_data_erased'",
            (order,),
        )
        return erasures.fetchone() is not None

    async def _charge_as_another(self, card: str, customer: str) -> None:
        """Charge a card for another customer, and as another merchant. Neither may succeed."""
        self._orders += 1
        order, amount = f"theft-{self._orders}", Money(100, CURRENCY)
        other = _another_than(customer)
        self.turned_away.add(order)
        theft = self._charging("shop", card, order, amount, "recurring", customer_reference=other)
        await self._refused_with(theft, RequestInvalid)
        theft = self._charging("rival", card, order, amount, "recurring")
        await self._refused_with(theft, SavedCardNotFound)
        if await self._ask(lambda: list(cards_of(_merchant("rival"), customer))):
            self._violated(f"the cards of {customer} are listed for another merchant")

    def _charging(
        self, merchant: str, card: str, order: str, amount: Money, reason: str, **others: object
    ) -> Callable[[], str]:
        def charge() -> str:
            return charge_card(
                _merchant(merchant),
                card,
                merchant_initiated=reason,
                by="program",
                order_reference=order,
                amount=amount,
                lines=[{"sku": "tea", "quantity": 1}],
                description="Tea",
                **others,
            ).reference

        return charge

    async def _refused_with(self, request: Callable[[], str], error: type[OperationRejected]) -> None:
        try:
            reference = await self._ask(request)
        except error:
            return
        self._violated(f"{reference} answers a request that must end with {error.__name__}")

    async def _remove(self, card: str) -> None:
        await self._ask(lambda: remove_card(_merchant("shop"), card, by="program"))
        self._world.trace.note("program", "has removed", card)
        self.removed.add(card)

    async def erase_soon(self, payment: str) -> None:
        """Try a few times to erase a payment for which staff have just requested an operation."""
        for _ in range(TRIES):
            await self._world.sleep(self._chance.around(self._chance.one_of((0.1, 1.0))))
            if await self._erase(payment):
                return

    async def _erase(self, payment: str) -> bool:
        """Erase a payment. Return False if its processing has not ended."""
        try:
            await self._ask(lambda: actions.erase_payment(payment, by="program", reason="Asked for."))
        except OperationRejected as rejection:
            self._world.trace.note("program", "may not erase", payment, str(rejection))
            return False
        self._world.trace.note("program", "has erased", payment)
        self.forgotten.add(payment)
        self.removed.update(
            card
            for (card,) in self._world.rows.execute(
                "SELECT c.reference FROM payments_savedcard c "
                "JOIN payments_payment p ON p.id = c.payment_id WHERE p.reference = ?",
                (payment,),
            )
        )
        return True

    async def _ask(self, operation: Callable[[], T]) -> T:
        while True:
            try:
                return await self._world.request(operation)
            except Unanswered:
                await self._world.sleep(self._chance.between(1, 5))

    def _violated(self, text: str, invariant: str = "I13") -> None:
        self._world.violations.append(f"{invariant}: {text}")


def _another_than(customer: str) -> str:
    return next(each for each in CUSTOMERS if each != customer)


def _merchant(code: str) -> Merchant:
    return Merchant.objects.get(code=code)
