"""Texts on a shopper's pages: sums that were taken or given back, and names in any direction of writing."""

import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from checkout.localised_times import localised_time
from checkout.payments.actions import payment_view
from checkout.payments.card_brands import SCHEMES
from checkout.payments.models import Payment
from checkout.payments.objects.advice import advice_for
from checkout.payments.providers.base import RefusalReason
from checkout.payments.providers.worldpay_wpg.codes import BRANDS
from checkout.states import PaymentState
from checkout.web.views.wording import card_in_words, ending_of
from tests.backoffice import rows
from tests.support.program import ROOT

pytestmark = pytest.mark.django_db

PAGES = sorted((ROOT / "templates" / "checkout").glob("*.html")) + sorted(
    (ROOT / "templates" / "shop").glob("*.html")
)

SHOWN_LATER = "Your bank may take some days to show it."
AND_THE_REST_IS_RESERVED = "and the rest is reserved until the whole order is sent"


def result_of(payment: Payment) -> str:
    view = payment_view(payment.reference)
    context = {
        "payment": view,
        "ending": ending_of(view),
        "card": card_in_words(view.card),
        "dated_at": localised_time(view.dated_at),
    }
    return render_to_string("checkout/result.html", context)


def text_about(payment: Payment, state: PaymentState, formats: str = "") -> str:
    Payment.objects.filter(pk=payment.pk).update(state=state)
    return ending_of(payment_view(payment.reference), formats).text


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
    assert text == f"£2.50 has been given back to your card. {SHOWN_LATER}"


def test_a_refund_of_all_that_was_taken_names_what_was_taken():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done", is_final=True)
    rows.operation(payment, "refund", 1000, state="done")
    text = text_about(payment, PaymentState.REFUNDED)
    assert text == f"£10.00 has been given back to your card. {SHOWN_LATER}"


def test_a_sum_is_written_as_the_reader_s_language_does():
    payment = rows.captured()
    rows.operation(payment, "refund", 250, state="done")
    text = text_about(payment, PaymentState.PARTIALLY_REFUNDED, "de-DE")
    assert text.startswith("2,50\N{NO-BREAK SPACE}£ has been given back")


@pytest.mark.parametrize("state", [PaymentState.VOIDED, PaymentState.EXPIRED])
def test_a_shopper_does_not_expect_a_released_amount_back_at_once(state):
    text = text_about(rows.authorised(), state)
    assert ("nothing was charged" in text.lower(), "bank may take some days to show" in text) == (True, True)


def test_a_shopper_whose_amount_could_not_be_taken_is_not_thanked_for_paying():
    payment = rows.authorised()
    assert ending_of(payment_view(payment.reference)).tone == "good"
    Payment.objects.update(captures_automatically=True)
    ending = ending_of(payment_view(payment.reference))
    assert (ending.title, ending.tone) == ("Reserved on your card", "calm")
    assert "has not been taken. The seller will contact you." in ending.text


@pytest.mark.parametrize("state", [PaymentState.CANCELLED, PaymentState.EXPIRED, PaymentState.REFUSED])
def test_a_shopper_who_came_by_a_link_is_not_sent_to_a_shop(settings, state):
    settings.CHECKOUT_MAX_ATTEMPTS = 1
    text = text_about(rows.authorised(), state)
    assert ("To pay, order again" in text, "in the shop" in text) == (True, False)


def test_a_part_that_was_taken_is_named_while_the_rest_is_reserved():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done")
    text = text_about(payment, PaymentState.PARTIALLY_CAPTURED)
    assert text == f"Thank you. £10.00 has been taken, {AND_THE_REST_IS_RESERVED}."


def test_a_rest_that_will_not_be_taken_any_more_is_not_called_reserved():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done", is_final=True)
    text = text_about(payment, PaymentState.PARTIALLY_CAPTURED)
    assert text == "Thank you. £10.00 has been taken, and the rest will not be."


def test_a_rest_that_is_just_being_taken_is_not_called_released():
    payment = rows.authorised()
    rows.operation(payment, "capture", 1000, state="done")
    rows.operation(payment, "capture", 250, state="pending", is_final=True)
    text = text_about(payment, PaymentState.PARTIALLY_CAPTURED)
    assert text == "Thank you. £10.00 has been taken, and the rest is being taken."


def without_title(page: Path) -> str:
    """Return a template without its title, which cannot contain elements."""
    return re.sub(r"{% block title %}.*?{% endblock %}", "", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_merchants_text_does_not_turn_the_text_around_it_to_another_direction(page):
    text = without_title(page)
    shown = re.findall(r"(\S+|\s){{ \S*(?:description|merchant_name|merchant\.name|order_reference) }}", text)
    assert [before for before in shown if not before.endswith(("<bdi>", '"no">'))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_browser_translates_a_name_a_number_of_an_order_or_an_amount(page):
    shown = (
        r"(.{15}){{ (?:payment|link)\.(?:merchant_name|merchant\.name|order_reference|amount\|money\S*) }}"
    )
    assert [before for before in re.findall(shown, without_title(page)) if before != 'translate="no">'] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_button_does_not_lose_the_space_before_a_merchants_name(page):
    # A button is a flex box, in which blanks between the text and an element are dropped.
    assert re.findall(r'<a class="button[^>]*>[^<]*<bdi>', page.read_text()) == []


def test_a_refusal_that_may_be_ours_does_not_blame_the_bank_alone():
    """The bank does not know an attempt that the risk service has refused."""
    assert advice_for(RefusalReason.NOT_PERMITTED) == (
        "This payment was not allowed. Please use another card, or ask your bank or the shop."
    )
    assert "ask your bank." in advice_for(RefusalReason.SUSPECTED_FRAUD)
