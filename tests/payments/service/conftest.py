"""Fixtures: a merchant at the in-memory provider, and a payment about to be made."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from checkout.payments.models import Attempt, Merchant, Payment, ProviderAccount
from checkout.payments.providers.base import Browser, Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import amount, order_status, payment
from tests.payments.service.asking import authorise
from tests.support.memory_provider.books import Books, books_of, forget_books
from tests.support.memory_provider.scenarios import Scenarios

ACCOUNT = "twin"
MERCHANT_CODE = "TWINMERCHANT"


@pytest.fixture(autouse=True)
def _credentials(settings) -> None:
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {ACCOUNT: {}, "elsewhere": {}}


@pytest.fixture(autouse=True)
def _queries_show_everything(settings) -> None:
    settings.CHECKOUT_ORDER_LAG_SECONDS = 0


@pytest.fixture
def books() -> Iterator[Books]:
    """Yield the provider's books, which are empty at first."""
    forget_books()
    yield books_of(ACCOUNT)
    forget_books()


@pytest.fixture
def scenarios(books: Books) -> Scenarios:
    """Return the provider's scenarios, of which there are none at first."""
    return books.scenarios


@pytest.fixture
def account(db) -> ProviderAccount:
    return an_account()


@pytest.fixture
def attempt(account: ProviderAccount, books: Books) -> Attempt:
    """Return a new attempt of 12.50 GBP."""
    return an_attempt(account)


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    """Return the attempt after its authorisation."""
    authorise(attempt, "approve")
    return attempt


def an_account() -> ProviderAccount:
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    return ProviderAccount.objects.create(
        merchant=merchant, code=ACCOUNT, provider="memory", merchant_code=MERCHANT_CODE, endpoint=""
    )


def an_attempt(account: ProviderAccount, order_reference: str = "A-1") -> Attempt:
    payment = Payment.objects.create(
        merchant=account.merchant,
        order_reference=order_reference,
        description="Tea",
        amount_minor=1250,
        currency="GBP",
        shopper_email="shopper@example.com",
        state=Payment.State.PROCESSING,
    )
    browser = Browser(accept_header="text/html", user_agent="Test", ip_address="192.0.2.7")
    return Attempt.objects.create(
        payment=payment,
        number=1,
        provider_account=account,
        order_code=f"{payment.reference}-1",
        session_id="a-session",
        browser=asdict(browser),
    )


@pytest.fixture
def worldpay(scenarios: Scenarios) -> Callable[..., None]:
    """Return a function that makes the provider answer with a message of Worldpay's about 12.50 GBP."""

    def answer(attempt: Attempt, verb: Verb, event: str, minor: int = 1250, balances: str = "") -> None:
        message = order_status(payment(event, balances, money=amount(minor)), attempt.order_code)
        scenarios.answer(verb, parse_reply(message, verb))

    return answer
