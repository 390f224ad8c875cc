"""Texts on a shopper's pages: sums of what was taken or given back, and names in any direction of writing."""

import re

import pytest
from django.template.loader import render_to_string

from checkout.payments.actions import payment_view
from checkout.payments.models import Payment
from checkout.payments.objects.advice import advice_for
from checkout.payments.providers.base import RefusalReason
from checkout.payments.providers.worldpay_wpg.codes import BRANDS
from checkout.states import PaymentState
from checkout.web.views.wording import SCHEMES, card_in_words, ending_of
from tests.backoffice import rows
from tests.support.program import ROOT

pytestmark = pytest.mark.django_db

PAGES = sorted((ROOT / "templates" / "checkout").glob("*.html")) + sorted(
    (ROOT / "templates" / "shop").glob("*.html")
)

AND_THE_REST_IS_RESERVED = "and the rest is reserved until the whole order is sent"


def result_of(payment: Payment) -> str:
    view = payment_view(payment.reference)
    context = {"payment": view, "ending": ending_of(view), "card": card_in_words(view.card)}
    return render_to_string("checkout/result.html", context)


def text_about(payment: Payment, state: PaymentState) -> str:
    Payment.objects.filter(pk=payment.pk).update(state=state)
    return ending_of(payment_view(payment.reference)).text


@pytest.mark.parametrize("state", ["authorised", "capture_pending", "captured", "partially_captured"])
def test_the_date_of_what_was_paid_is_that_of_the_attempt_whatever_was_notified_since(state):
    """A capture is notified a day after its payment, or is made weeks later."""
    payment = rows.captured()
    Payment.objects.filter(pk=payment.pk).update(state=state, updated_at="2027-03-14T03:00:00Z")
    payment.attempts.update(created_at="2027-02-28T23:50:00Z")
    page = result_of(payment)
    assert "28 February 2027, 23:50 UTC" in page


@pytest.mark.parametrize("state", ["refunded", "refused", "expired"])
def test_the_date_of_any_other_result_is_its_own(state):
    payment = rows.captured()
    Payment.objects.filter(pk=payment.pk).update(state=state, updated_at="2028-02-29T03:00:00Z")
    page = result_of(payment)
    assert "29 February 2028, 03:00 UTC" in page


@pytest.mark.parametrize(
    ("brand", "words"),
    [
        ("visa", "Visa ending in 1111"),
        ("amex", "American Express ending in 1111"),
        ("jcb", "JCB ending in 1111"),
        ("cartes_bancaires", "Cartes Bancaires ending in 1111"),
        ("some_new_scheme", "Some New Scheme ending in 1111"),
        ("", "Card ending in 1111"),
    ],
)
def test_a_card_has_the_name_that_its_scheme_has(brand, words):
    payment = rows.captured()
    payment.attempts.update(card={"brand": brand, "last4": "1111"})
    assert f"<dd>{words}</dd>" in result_of(payment)


def test_a_card_whose_number_is_not_known_is_not_named():
    payment = rows.captured()
    payment.attempts.update(card={"brand": "visa"})
    assert "Visa" not in result_of(payment)


@pytest.mark.parametrize("brand", sorted(set(BRANDS.values())))
def test_no_name_of_a_scheme_is_made_of_our_own_word(brand):
    assert brand in SCHEMES


def test_a_part_that_was_given_back_is_named():
    payment = rows.captured()
    rows.operation(payment, "refund", 250, state="done")
    rows.operation(payment, "refund", 100, state="refused")
    text = text_about(payment, PaymentState.PARTIALLY_REFUNDED)
    assert text == "2.50 GBP has been given back to your card."


def test_a_refund_of_all_that_was_taken_names_what_was_taken():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done", is_final=True)
    rows.operation(payment, "refund", 1000, state="done")
    assert text_about(payment, PaymentState.REFUNDED) == "10.00 GBP has been given back to your card."


def test_a_part_that_was_taken_is_named_while_the_rest_is_reserved():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done")
    text = text_about(payment, PaymentState.PARTIALLY_CAPTURED)
    assert text == f"Thank you. 10.00 GBP has been taken, {AND_THE_REST_IS_RESERVED}."


def test_a_rest_that_will_not_be_taken_any_more_is_not_called_reserved():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done", is_final=True)
    text = text_about(payment, PaymentState.PARTIALLY_CAPTURED)
    assert text == "Thank you. 10.00 GBP has been taken, and the rest will not be."


def test_a_rest_that_is_just_being_taken_is_not_called_released():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done")
    rows.operation(payment, "capture", 250, state="pending", is_final=True)
    text = text_about(payment, PaymentState.PARTIALLY_CAPTURED)
    assert text == "Thank you. 10.00 GBP has been taken, and the rest is being taken."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_merchants_text_does_not_turn_the_text_around_it_to_another_direction(page):
    text = re.sub(r"{% block (title|banner) %}.*?{% endblock %}", "", page.read_text())
    shown = re.findall(r"(.{5}){{ \S*(?:description|merchant_name|merchant\.name|order_reference) }}", text)
    assert [before for before in shown if before != "<bdi>"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_button_does_not_lose_the_space_before_a_merchants_name(page):
    # A button is a flex box, in which blanks between the text and an element are dropped.
    assert re.findall(r'<a class="button[^>]*>[^<]*<bdi>', page.read_text()) == []


def test_a_refusal_that_may_be_ours_does_not_blame_the_bank_alone():
    """The bank knows nothing of an attempt that the risk service has refused."""
    assert advice_for(RefusalReason.NOT_PERMITTED) == (
        "This payment was not allowed. Please use another card, or ask your bank or the shop."
    )
    assert "ask your bank." in advice_for(RefusalReason.SUSPECTED_FRAUD)
