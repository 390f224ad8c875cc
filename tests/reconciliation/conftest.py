"""Fixtures: payments that are not being processed, in our books and in those of the in-memory provider."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import ACCOUNTS
from checkout.money import Money
from checkout.payments.models import Attempt, Merchant, Operation, Payment, ProviderAccount, Saga
from checkout.states import AttemptState, PaymentState
from tests.support.memory_provider.books import Books, Order, OrderState, books_of, forget_books

LONG_AGO = timedelta(hours=2)
PAID = 1250
POSTINGS = {
    "capture": ("capture_requested", "captured"),
    "refund": ("refunded",),
    "charge_back": ("charged_back",),
    "charge_back_reversal": ("charge_back_reversed",),
}


@pytest.fixture
def books(settings) -> Iterator[Books]:
    """Yield the books of the provider of the account "twin", which are empty at first."""
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"twin": {}, "other": {}}
    forget_books()
    yield books_of("twin")
    forget_books()


@pytest.fixture
def account(db, books) -> ProviderAccount:
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    return ProviderAccount.objects.create(
        merchant=merchant, code="twin", provider="memory", merchant_code="TWIN", endpoint=""
    )


@pytest.fixture
def shown_at_once(settings) -> None:
    """Let the provider's queries show everything at once."""
    settings.CHECKOUT_ORDER_LAG_SECONDS = settings.CHECKOUT_MODIFICATION_LAG_SECONDS = 0


@dataclass
class Paid:
    """A payment of 12.50 GBP that is authorised in both books."""

    payment: Payment
    attempt: Attempt

    def try_again(self) -> Attempt:
        """Add a second, refused attempt to our books only."""
        made = Attempt.objects.create(
            payment=self.payment,
            number=2,
            provider_account=self.attempt.provider_account,
            order_code=f"{self.payment.reference}-2",
            session_id="s",
            state=AttemptState.REFUSED,
        )
        Attempt.objects.filter(pk=made.pk).update(updated_at=timezone.now() - LONG_AGO)
        return made

    def operation(
        self, kind: str, minor: int, state: str = Operation.State.DONE, *, posted_in: str = "GBP"
    ) -> Operation:
        """Add an operation to our books only, even to the ledger if it is done."""
        made = Operation.objects.create(
            payment=self.payment,
            attempt=self.attempt,
            kind=kind,
            amount_minor=minor,
            currency="GBP",
            state=state,
        )
        long_ago = timezone.now() - LONG_AGO
        Operation.objects.filter(pk=made.pk).update(created_at=long_ago, updated_at=long_ago)
        if state == Operation.State.DONE:
            for posting in POSTINGS.get(kind, ()):
                self.post(posting, made.reference, minor, posted_in)
        return made

    def waits(self, operation: Operation, step: str = "await_provider", **knows: bool) -> Saga:
        """Create the operation's saga, which waits for the provider."""
        return Saga.objects.create(
            kind=operation.kind,
            key=operation.reference,
            payment=self.payment,
            attempt=self.attempt,
            step=step,
            data=knows,
        )

    def post(self, kind: str, reference: str, minor: int, currency: str = "GBP") -> None:
        debit, credit = ACCOUNTS[kind]
        for name, amount in ((debit, minor), (credit, -minor)):
            LedgerEntry.objects.create(
                posting=f"{kind}:{reference}",
                account=name,
                payment_reference=self.payment.reference,
                amount_minor=amount,
                currency=currency,
            )


@dataclass
class Twinned(Paid):
    """A payment with its order at the in-memory provider."""

    order: Order

    def books_have(self, *, captured: int = 0, refunded: int = 0, charged_back: int = 0) -> None:
        """Set the sums in the provider's books only."""
        self.order.captured, self.order.refunded = Money(captured, "GBP"), Money(refunded, "GBP")
        self.order.charged_back = Money(charged_back, "GBP")


@pytest.fixture
def paid(account: ProviderAccount, books: Books) -> Callable[[], Twinned]:
    """Return a function that makes payments that have not changed for two hours."""

    def make() -> Twinned:
        payment = Payment.objects.create(
            merchant=account.merchant,
            order_reference=f"A-{Payment.objects.count()}",
            description="Tea",
            amount_minor=PAID,
            currency="GBP",
            state=PaymentState.AUTHORISED,
        )
        Payment.objects.filter(pk=payment.pk).update(updated_at=timezone.now() - LONG_AGO)
        attempt = Attempt.objects.create(
            payment=payment,
            number=1,
            provider_account=account,
            order_code=f"{payment.reference}-1",
            session_id="s",
            state=AttemptState.AUTHORISED,
        )
        Attempt.objects.filter(pk=attempt.pk).update(updated_at=timezone.now() - LONG_AGO)
        order = Order(
            order_code=attempt.order_code,
            session_id="s",
            amount=Money(PAID, "GBP"),
            state=OrderState.AUTHORISED,
            submitted_at=timezone.now() - LONG_AGO,
        )
        books.orders[order.order_code] = order
        return Twinned(payment, attempt, order)

    return make


@pytest.fixture
def asked(books: Books) -> list[str]:
    """Return the list of order codes about which the provider was asked, in order."""
    return books.scenarios.asked["inquire"]


@pytest.fixture
def stranger(account: ProviderAccount, books: Books) -> Callable[[datetime], None]:
    """Return a function that gives the provider an order that we do not know."""

    def submitted(moment: datetime) -> None:
        order = Order(
            order_code=f"from-nowhere-{len(books.orders)}",
            session_id="s",
            amount=Money(PAID, "GBP"),
            state=OrderState.AUTHORISED,
            submitted_at=moment,
        )
        books.orders[order.order_code] = order

    return submitted
