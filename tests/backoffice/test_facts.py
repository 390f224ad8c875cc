"""The facts on the pages of actions, by which staff see that they act on the right row."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.api.access.keys import make_key
from checkout.api.access.scopes import Scope
from checkout.payments.models import Merchant, PaymentLink, SavedCard
from checkout.payments.providers.saved_cards import IssuedToken
from checkout.payments.sagas.settlement.matter import seen_of_payment
from checkout.states import PaymentState
from checkout.webhooks import actions as webhooks
from tests.backoffice import rows
from tests.backoffice.operating import address, fill_in

pytestmark = pytest.mark.django_db

SETTLED = {"reason": "Seen in the portal"}


def facts(response):
    """Return the labels and values of a page's summary."""
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", response.content.decode(), re.DOTALL)
    return {label: unescape(re.sub("<[^>]+>", "", value)) for label, value in pairs}


def shown(client, row, page):
    meta = row._meta
    return facts(client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=[row.pk])))


def both_pages(client, payment, kind):
    """Return the facts of the form for an operation, and of the page on which it is confirmed."""
    return facts(client.get(address(payment, kind))), facts(fill_in(client, payment, kind))


def bought(**fields):
    return rows.captured("ORDER-7", shopper_email="ann@shop.example", **fields)


def go_live():
    Merchant.objects.update(is_live=True)


def test_a_refund_shows_on_both_pages_which_payment_it_is_of(admin_client):
    payment = bought()
    today = f"{timezone.now():%-d %b %Y}"
    for page in both_pages(admin_client, payment, "refund"):
        assert page["Order"] == "ORDER-7: Order ORDER-7"
        assert page["Shopper"] == "ann@shop.example"
        assert page["Merchant"] == "Example (test: no money moves)"
        assert page["Payment"] == f"£12.50 of {today}, {payment.reference}"
        assert page["Captured so far"] == "£12.50"
        assert page["Refunded so far"] == "£0.00"


def test_a_merchant_whose_payments_are_real_is_not_called_a_test(admin_client):
    payment = bought()
    go_live()
    for page in both_pages(admin_client, payment, "refund"):
        assert page["Merchant"] == "Example"


def test_a_shopper_who_left_no_address_has_no_line(admin_client):
    for page in both_pages(admin_client, rows.captured(), "refund"):
        assert "Shopper" not in page


def test_a_refund_shows_what_was_refunded_before_and_what_may_be_yet(admin_client):
    payment = bought()
    rows.operation(payment, "refund", 200, state="done")
    rows.operation(payment, "refund", 300, state="pending")
    rows.operation(payment, "refund", 400, state="refused")
    rows.operation(payment, "charge_back", 100, state="done")
    for page in both_pages(admin_client, payment, "refund"):
        assert page["Refunded so far"] == "£2.00 (money was refunded before)"
        assert page["Refunds without an outcome yet"] == "£3.00"
        assert page["Charged back so far"] == "£1.00"


def test_a_capture_shows_what_was_captured_before_and_what_may_be_yet(admin_client):
    payment = rows.authorised()
    rows.operation(payment, "capture", 200, state="done")
    rows.operation(payment, "capture", 300, state="requested")
    for page in both_pages(admin_client, payment, "capture"):
        assert page["Captured so far"] == "£2.00"
        assert page["Captures without an outcome yet"] == "£3.00"


def test_the_page_of_a_refund_takes_as_many_queries_however_much_was_refunded(queries_for):
    payment = bought()
    few = queries_for(address(payment, "refund"))
    for _ in range(3):
        rows.operation(payment, "refund", 100, state="done")
    assert queries_for(address(payment, "refund")) == few <= 12


def test_settling_an_operation_shows_its_order_and_merchant_to_the_end(admin_client):
    refund = rows.waiting(bought(), "refund", 300)
    page = reverse("admin:payments_operation_settle", args=[refund.pk])
    for answer in (
        admin_client.get(page),
        admin_client.post(page, {**SETTLED, "seen": "7.0", "said": "arrived"}),
    ):
        assert facts(answer)["Order"] == "ORDER-7: Order ORDER-7"
        assert facts(answer)["Merchant"] == "Example (test: no money moves)"
    assert "It arrived: refund of £3.00</button>" in answer.content.decode()


def test_settling_a_claim_shows_its_order_and_merchant_to_the_end(admin_client):
    claim = rows.claimed(bought())
    page = reverse("admin:payments_saga_settle", args=[claim.pk])
    said = {**SETTLED, "seen": "7.0", "said": "true", "amount": "3.00"}
    for answer in (admin_client.get(page), admin_client.post(page, said)):
        assert facts(answer)["Order"] == "ORDER-7: Order ORDER-7"
        assert facts(answer)["Merchant"] == "Example (test: no money moves)"
    assert "Book charge-back of £3.00</button>" in answer.content.decode()


def test_who_may_settle_but_see_no_payments_does_not_learn_who_has_paid(staff_client):
    refund = rows.waiting(bought(), "refund", 300)
    client = staff_client("view_operation", "settle_operation")
    assert "Shopper" not in shown(client, refund, "settle")


def test_settling_by_figures_shows_its_order_and_merchant_to_the_end(admin_client):
    payment = bought()
    type(payment).objects.update(state=PaymentState.CONFLICTED)
    payment.refresh_from_db()
    sums = {"captured": "12.50", "refunded": "3.00", "charged_back": "0.00"}
    said = {**SETTLED, **sums, "seen": seen_of_payment(payment), "said": "not_held"}
    for answer in (
        admin_client.get(address(payment, "settle")),
        admin_client.post(address(payment, "settle"), said),
    ):
        assert facts(answer)["Order"] == "ORDER-7: Order ORDER-7"
        assert facts(answer)["Merchant"] == "Example (test: no money moves)"
    assert "Book it</button>" in answer.content.decode()


def test_cancelling_a_payment_shows_which_one(admin_client):
    payment = rows.payment("ORDER-7", shopper_email="ann@shop.example")
    page = shown(admin_client, payment, "cancel")
    assert page["Order"] == "ORDER-7: Order ORDER-7"
    assert page["Amount"].startswith("£12.50 of ")
    assert (page["State"], page["Shopper"]) == ("open", "ann@shop.example")
    assert page["Merchant"] == "Example (test: no money moves)"


def test_removing_a_saved_card_shows_whose_card_it_is(admin_client):
    payment = rows.payment("SAVED", customer_reference="customer-9")
    token = IssuedToken(token="kept-token", brand="visa", last4="1111", expiry="12/2030")
    card = SavedCard.of(rows.attempt(payment), token)
    card.save()
    page = shown(admin_client, card, "remove")
    assert page["Merchant"] == "Example (test: no money moves)"
    assert (page["Customer"], page["Card"], page["Expiry"]) == ("customer-9", "visa •••• 1111", "12/2030")


def test_disabling_a_payment_link_shows_what_it_sells(admin_client):
    link = PaymentLink.objects.create(
        merchant=rows.merchant(),
        order_reference="LINK-1",
        amount_minor=4900,
        currency="EUR",
        description="Tea",
        expires_at=timezone.now() + timedelta(days=1),
    )
    page = shown(admin_client, link, "disable")
    assert (page["Amount"], page["Order"]) == ("€49.00", "LINK-1: Tea")
    assert page["Merchant"] == "Example (test: no money moves)"


@pytest.mark.parametrize("page", ["disable", "rotate", "ping"])
def test_an_endpoint_s_actions_show_where_it_sends_to(admin_client, page):
    rows.merchant()
    endpoint = webhooks.create_endpoint("example", "https://shop.example/hook").endpoint
    found = shown(admin_client, endpoint, page)
    assert found["URL"] == "https://shop.example/hook"
    assert found["Merchant"] == "example: Example (test: no money moves)"


@pytest.mark.parametrize("page", ["revoke", "rotate"])
@pytest.mark.parametrize("is_live", [True, False])
def test_an_api_key_s_actions_show_whose_it_is_and_if_it_is_live(admin_client, page, is_live):
    merchant = rows.merchant()
    Merchant.objects.update(is_live=is_live)
    merchant.refresh_from_db()
    key, _secret = make_key(merchant, name="back end", scopes=[Scope.PAYMENTS_READ], by="ann")
    found = shown(admin_client, key, page)
    assert found["API key"].startswith("back end (sk_")
    if is_live:
        assert (found["Merchant"], found["Payments"]) == ("example: Example", "live")
    else:
        assert found["Payments"] == "test: no money moves"
