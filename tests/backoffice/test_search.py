"""The search on every page of the back office: payments by the details that a caller gives."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from checkout.payments.models import Payment
from checkout.states import PaymentState
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

LIST = reverse("admin:payments_payment_changelist")
TODAY = timezone.now().date()


def made(order, at=None, state=PaymentState.OPEN, **fields):
    payment = rows.payment(order, state, **fields)
    if at:
        Payment.objects.filter(pk=payment.pk).update(created_at=at)
    return payment


@pytest.fixture
def wanted():
    """Create a payment of 30 November 2026 with a refund, among others that share some details."""
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    shopper = "Ella.Smith@example.com"
    row = made("W-10025", at, PaymentState.PARTIALLY_REFUNDED, shopper_email=shopper, amount_minor=123450)
    rows.attempt(row, 1, last4="1111")
    rows.operation(row, "refund", 300, state="done", reference="op_wanted")
    rows.attempt(row, 2, last4="1111")
    other = made("X-20", at - timedelta(days=1), shopper_email="joe@example.com", amount_minor=1250)
    rows.attempt(other, last4="2222")
    return row


def found(client, text):
    """Return the order numbers that a search lists, or that of the payment to which it leads."""
    response = client.get(LIST, {"q": text}, follow=True)
    if response.redirect_chain:
        return {response.context["original"].order_reference}
    return {payment.order_reference for payment in response.context["cl"].result_list}


@pytest.mark.parametrize(
    "text",
    [
        "w-100",
        "0025",
        "ella",
        "ELLA.SMITH@example.com",
        "ella.smith@",
        "1111",
        "1234.50",
        "£1,234.50",
        "2026-11-30",
        "30/11/2026",
        "30 Nov 2026",
        "30 november 2026 1111",
        "amount:>100",
        "amount:>=1234.50 amount:<2000",
        "amount:£1234.5",
        "state:refunded-in-part",
        "state:partially_refunded card:1111",
        "card:1111",
        "since:2026-11-30",
        "since:30/11/2026 until:30/11/2026",
        "ella 1111 £1234.50 30 Nov 2026 state:refunded-in-part",
    ],
)
def test_a_payment_is_found_once_by_what_a_caller_says(admin_client, wanted, text):
    response = admin_client.get(LIST, {"q": text})
    assert [row.order_reference for row in response.context["cl"].result_list] == ["W-10025"]


@pytest.mark.parametrize("text", ["{reference}", "{reference}-2", "op_wanted", "W-10025", " w-10025 "])
def test_a_search_that_names_one_payment_leads_to_its_page(admin_client, wanted, text):
    response = admin_client.get(LIST, {"q": text.format(reference=wanted.reference)})
    assert response.headers["Location"] == reverse("admin:payments_payment_change", args=[wanted.pk])


def test_an_order_number_of_two_merchants_lists_both(admin_client, wanted):
    made("W-10025", owner=rows.merchant("other"))
    assert len(admin_client.get(LIST, {"q": "W-10025"}).context["cl"].result_list) == 2


@pytest.mark.parametrize(
    "text",
    [
        "smith",
        "ella 2222",
        "W-10025 £12.50",
        "€1234.50",
        "111",
        "00",
        "state:refused",
        "card:1112",
        "amount:<10",
        "until:2026-11-01",
        "1 Nov 2026",
    ],
)
def test_what_does_not_match_every_word_is_not_found(admin_client, wanted, text):
    assert found(admin_client, text) == set()


def test_payments_of_today_and_yesterday_are_found_by_these_words(admin_client, wanted):
    now = timezone.now()
    made("NEW", now)
    made("OLDER", now - timedelta(days=1))
    assert found(admin_client, "today") == {"NEW"}
    assert found(admin_client, "yesterday") == {"OLDER"}


def test_an_order_number_with_spaces_is_found(admin_client):
    made("2026 / 17")
    made("2026")
    assert found(admin_client, "2026 / 17") == {"2026 / 17"}


def test_amounts_have_the_decimal_places_of_their_currency(admin_client):
    made("YEN", currency="JPY", amount_minor=2400)
    made("DINAR", currency="KWD", amount_minor=12500)
    made("POUND", currency="GBP", amount_minor=1250)
    assert found(admin_client, "¥2,400") == {"YEN"}
    assert found(admin_client, "12.50") == {"DINAR", "POUND"}
    assert found(admin_client, "£12.50") == {"POUND"}


def test_a_search_without_a_hit_says_what_was_looked_for(admin_client, wanted):
    page = admin_client.get(LIST, {"q": "joes 9999 state:refused"}).content.decode()
    assert "No payment found" in page
    for shown in (
        "an order number that contains “joes”",
        "an e-mail address that begins so",
        "a card that ends in 9999",
        "that are refused",
    ):
        assert shown in page


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("state:lost", "“lost” is no state. The states are: open, "),
        ("amount:much", "“much” is no amount."),
        ("since:then", "“then” is no date."),
    ],
)
def test_an_operator_that_is_not_understood_is_explained_and_nothing_is_found(
    admin_client, wanted, text, told
):
    page = admin_client.get(LIST, {"q": text})
    assert told in str(*get_messages(page.wsgi_request)) or told in page.content.decode()
    assert not page.context["cl"].result_list


def test_a_search_and_filters_combine(admin_client, wanted):
    def listed(**query):
        return [row.order_reference for row in admin_client.get(LIST, query).context["cl"].result_list]

    assert listed(q="example.com 2026", currency="GBP") == []
    assert listed(q="1111", currency="GBP", state="partially_refunded") == ["W-10025"]
    assert listed(q="1111", state="refused") == []


def test_the_search_is_in_the_head_of_every_page_of_those_who_may_see_payments(admin_client, staff_client):
    field = '<input type="search" name="q"'
    for page in ("admin:index", "admin:payments_saga_changelist", "admin:payments_payment_attention"):
        assert field in admin_client.get(reverse(page)).content.decode()
    page = staff_client("view_ledgerentry").get(reverse("admin:index")).content.decode()
    assert field not in page
