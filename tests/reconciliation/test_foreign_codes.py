"""Orders that another program made under the same merchant code, with codes that we would not send."""

from datetime import timedelta
from xml.sax.saxutils import quoteattr

import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.models import Difference, Merchant, ProviderAccount, Reconciliation
from checkout.payments.providers.base import Account, OrderCodeNotSendable
from checkout.payments.providers.registry import ADAPTERS
from checkout.payments.providers.transport import HttpReply
from checkout.payments.providers.worldpay_wpg.provider import WorldpayWpg
from checkout.reconciliation import reconcile_account
from tests.reconciliation.conftest import LONG_AGO, PAID
from tests.support.memory_provider.books import Order, OrderState
from tests.support.reconciling import reconcile

CREDENTIALS = {"user": "u", "password": "p", "mac_key": "m", "issuer": "i", "organisational_unit": "o"}
LONG = "X" * 70
CODES = ["SHOP 4711", "4711|2", 'the "best"', " 4711 ", " ", "4711\n2", LONG]


class Lists(WorldpayWpg):
    """The Worldpay adapter, on a connection on which every message gets the same answer."""

    body = b""

    def __init__(self, account: Account) -> None:
        super().__init__(account, transport=self)

    def send(self, *_arguments: object) -> HttpReply:
        return HttpReply(200, self.body)


@pytest.fixture
def worldpay_account(db, settings, monkeypatch) -> ProviderAccount:
    monkeypatch.setitem(ADAPTERS, "worldpay_that_lists", f"{__name__}.Lists")
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"wpg": CREDENTIALS}
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    return ProviderAccount.objects.create(
        merchant=merchant,
        code="wpg",
        provider="worldpay_that_lists",
        merchant_code="SHOP",
        endpoint="https://secure.worldpay.com/jsp/merchant/xml/paymentService.jsp",
        options={"lists_orders": "yes"},
    )


@pytest.fixture
def listing():
    """Return a function that lets Worldpay list orders with these codes, and answer all else so, too."""

    def lists(*codes):
        amount = '<amount value="500" currencyCode="EUR" exponent="2" debitCreditIndicator="credit"/>'
        paid = f"<paymentMethod>VISA-SSL</paymentMethod>{amount}<lastEvent>CAPTURED</lastEvent>"
        orders = "".join(
            f"<orderStatus orderCode={quoteattr(code)}><payment>{paid}</payment></orderStatus>"
            for code in codes
        )
        body = f'<paymentService version="1.4" merchantCode="SHOP"><reply>{orders}</reply></paymentService>'

        Lists.body = body.replace("\n", "&#10;").encode()

    return lists


@pytest.mark.parametrize("code", CODES)
def test_an_order_of_another_program_is_found_and_stops_no_later_run(worldpay_account, listing, code):
    listing(code)
    for _ in range(3):
        run, _ = reconcile_account(worldpay_account)
        assert run.finished_at is not None
        assert run.unanswered == 0
        (difference,) = Difference.objects.filter(resolved_at=None)
        assert (difference.kind, difference.theirs_minor) == ("order", 500)
    assert Reconciliation.objects.values("listed_until").distinct().count() == 3, "the mark moves on"


def test_codes_that_can_be_stored_are_stored_as_they_are(worldpay_account, listing):
    listing("SHOP 4711", " 4711 ", "Z" * 64)
    reconcile_account(worldpay_account)
    assert set(Difference.objects.values_list("order_code", flat=True)) == {"SHOP 4711", " 4711 ", "Z" * 64}


def test_two_long_codes_with_the_same_beginning_are_two_orders(worldpay_account, listing):
    listing(f"{LONG}1", f"{LONG}2")
    _, first = reconcile_account(worldpay_account)
    assert len({difference.order_code for difference in first}) == 2
    assert all(difference.order_code.startswith(LONG[:40]) for difference in first)


def foreign(books, code):
    books.orders[code] = Order(
        order_code=code,
        session_id="s",
        amount=Money(PAID, "GBP"),
        state=OrderState.AUTHORISED,
        submitted_at=timezone.now() - LONG_AGO,
    )
    return books.orders[code]


def test_a_code_that_was_shortened_is_not_asked_about_and_ends_when_it_is_listed_without_money(
    account, books, asked
):
    order = foreign(books, LONG)
    reconcile()
    assert Difference.objects.filter(resolved_at=None).exists()
    reconcile()
    assert asked == []
    assert Difference.objects.filter(resolved_at=None).exists(), '"no such order" is no answer about it'
    order.state = OrderState.CANCELLED
    reconcile(since=timezone.now() - 2 * LONG_AGO)
    assert not Difference.objects.filter(resolved_at=None).exists()


def test_many_codes_that_cannot_be_sent_do_not_keep_the_others_from_being_compared(
    account, books, monkeypatch
):
    monkeypatch.setattr("checkout.reconciliation.provider_books.NOT_UNDERSTOOD", 3)
    spaced = ("a 1", "a 2", "a 3", "a 4")
    books.scenarios.answer("inquire", OrderCodeNotSendable("not an order code"), of=spaced)
    orders = [foreign(books, code) for code in (*spaced, "plain")]
    assert len(reconcile()) == 5
    orders[-1].state = OrderState.CANCELLED
    reconcile()
    still_open = Difference.objects.filter(resolved_at=None)
    assert sorted(still_open.values_list("order_code", flat=True)) == [*spaced]


def test_the_marks_are_saved_before_what_may_fail(paid, stranger, monkeypatch):
    paid()
    stranger(timezone.now() - LONG_AGO)
    reconcile()
    Reconciliation.objects.update(compared_until=None, listed_until=None)

    def fails(*_arguments):
        raise RuntimeError

    monkeypatch.setattr("checkout.reconciliation.unknown_orders._compare_again", fails)
    with pytest.raises(RuntimeError):
        reconcile()
    run = Reconciliation.objects.latest("pk")
    assert run.finished_at is None
    assert run.compared_until is not None
    assert run.listed_until is not None
    assert min(run.compared_until, run.listed_until) > run.started_at - timedelta(hours=1)
