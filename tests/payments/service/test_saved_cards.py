"""A card is saved with its authorisation, and charged by its token, at most once."""

import threading
from dataclasses import replace
from datetime import date

import pytest
from django.db import transaction
from django.utils import timezone

from checkout.errors import OperationRejected, RequestInvalid
from checkout.money import Money
from checkout.payments.actions import erase_payment
from checkout.payments.actions.saved_cards import charge_card, remove_card
from checkout.payments.models import (
    Attempt,
    CardTrial,
    Fact,
    OutboxMessage,
    Payment,
    ProviderAccount,
    SavedCard,
)
from checkout.payments.providers.saved_cards import IssuedToken
from checkout.payments.service import service
from tests.payments.service.asking import (
    authorise,
    come_back,
    inquire,
    to_authorise,
    to_complete_challenge,
)
from tests.payments.service.at_once import at_once, somebody_waits_for_a_lock
from tests.payments.service.conftest import an_account, an_attempt
from tests.payments.service.delivering import deliver
from tests.support.memory_provider.books import books_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db

TOKEN = IssuedToken(token="kept-token", brand="visa", last4="1111", expiry="12/2030")


def wanting_it_saved(attempt):
    attempt.payment.customer_reference = "customer-7"
    attempt.payment.save()
    attempt.saves_card = True
    attempt.save()
    return attempt


@pytest.fixture
def saving(attempt):
    return wanting_it_saved(attempt)


@pytest.fixture
def card(attempt, books):
    return kept(attempt, books)


def kept(attempt, books):
    books.tokens[TOKEN.token] = "approve"
    attempt.payment.customer_reference = "customer-7"
    card = SavedCard.of(attempt, TOKEN)
    card.save()
    return card


def charge(card, number="B-1", reason="recurring"):
    order = {"order_reference": number, "amount": Money(900, "GBP"), "description": "February"}
    payment = charge_card(card.merchant, card.reference, merchant_initiated=reason, by="key", **order)
    return payment.attempts.select_related("payment").get()


def test_an_amount_that_the_cards_account_cannot_send_is_not_charged(card):
    ProviderAccount.objects.update(options={"exponents": "HUF=0"})
    order = {"order_reference": "B-1", "amount": Money(950, "HUF"), "description": "February"}
    with pytest.raises(RequestInvalid, match=r"9\.50 HUF"):
        charge_card(card.merchant, card.reference, merchant_initiated="recurring", by="key", **order)


def test_the_card_is_written_with_the_authorisation(saving, books):
    authorise(saving, "approve")
    card = SavedCard.objects.get()
    assert (card.customer_reference, card.brand, card.last4) == ("customer-7", "visa", "1111")
    assert (card.payment, card.scheme_transaction) == (saving.payment, f"scheme-{saving.order_code}")
    (token,) = books.tokens
    assert card.opened("recurring").token == token
    assert token not in str(list(Fact.objects.values())) + str(list(OutboxMessage.objects.values()))


@pytest.mark.parametrize("sealed", ["refuse", "pending", "lost", "unavailable"])
def test_without_an_authorisation_no_card_is_saved(saving, sealed):
    authorise(saving, sealed)
    assert not SavedCard.objects.filter(state="active").exists()


def test_a_card_is_saved_once_its_challenge_is_passed(saving):
    authorise(saving, "challenge")
    assert not SavedCard.objects.exists()
    come_back(saving)
    deliver(service, to_complete_challenge(saving))
    assert SavedCard.objects.count() == 1


def test_a_card_is_saved_by_the_inquiry_after_a_lost_answer(saving):
    authorise(saving, "unknown")
    assert not SavedCard.objects.exists()
    inquire(saving)
    assert SavedCard.objects.count() == 1


@pytest.mark.parametrize("fault", ["several tokens", ""])
def test_a_broken_token_leaves_the_payment_approved_and_is_logged(saving, books, caplog, fault):
    books.scenarios.tell("authorise", token=None, token_fault=fault)
    assert authorise(saving, "approve").result["outcome"] == "approved"
    assert saving.state == Attempt.State.AUTHORISED
    assert not SavedCard.objects.exists()
    assert "card not saved" in caplog.text
    assert (fault or "no token") in caplog.text


def test_a_saved_card_is_charged_without_a_card_in_the_command(card, books):
    attempt = charge(card)
    result = deliver(service, to_authorise(attempt, "")).result
    assert result["outcome"] == "approved"
    assert books.orders[attempt.order_code].amount == Money(900, "GBP")
    assert deliver(service, to_authorise(attempt, "")).result["outcome"] == "approved"
    assert len(books.orders) == 1


def test_a_declined_charge_is_no_tried_card(card, books):
    books.tokens[TOKEN.token] = "refuse:insufficient_funds"
    attempt = charge(card)
    assert deliver(service, to_authorise(attempt, "")).result["refusal_reason"] == "insufficient_funds"
    assert not CardTrial.objects.exists()


def test_a_token_that_the_provider_has_forgotten_decides_nothing(card, books):
    books.tokens.clear()
    attempt = charge(card)
    assert deliver(service, to_authorise(attempt, "")).result["outcome"] == "unknown"
    assert books.orders == {}


def test_a_token_under_a_dropped_secret_key_is_not_sent_and_told_to_an_operator(
    card, books, settings, caplog
):
    attempt = charge(card)
    settings.SECRET_KEY = 50 * "n"
    result = deliver(service, to_authorise(attempt, "")).result
    assert (result["outcome"], result["refusal_reason"]) == ("not_sent", "provider_error")
    assert "saved card cannot be opened" in caplog.text
    assert books.orders == {}


def test_a_card_that_was_removed_meanwhile_is_not_charged(card, books):
    attempt = charge(card)
    remove_card(card.merchant, card.reference, by="ada")
    result = deliver(service, to_authorise(attempt, "")).result
    assert (result["outcome"], result["refusal_reason"]) == ("not_sent", "card_not_received")
    assert books.orders == {}


def test_a_card_is_saved_anew_after_it_was_removed(saving, books):
    authorise(saving, "approve")
    first = SavedCard.objects.get()
    remove_card(first.merchant, first.reference, by="ada")
    another = wanting_it_saved(an_attempt(saving.provider_account, "A-2"))
    authorise(another, "approve")
    assert SavedCard.objects.filter(state="active").count() == 1
    assert SavedCard.objects.count() == 2


def rotate(settings):
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], 50 * "n"


def answered_again(provider_account, number, token=TOKEN):
    """Authorise another payment of the customer with the saved card."""
    books_of(provider_account.code).issues = token
    another = wanting_it_saved(an_attempt(provider_account, number))
    assert authorise(another, "approve").result["outcome"] == "approved"


def test_a_token_is_known_again_under_a_new_secret_key(card, attempt, settings):
    rotate(settings)
    answered_again(attempt.provider_account, "A-2")
    assert SavedCard.objects.get() == card


def test_a_card_that_is_saved_again_is_renewed(card, attempt):
    later = date(2032, 1, 31)
    again = replace(TOKEN, expiry="12/2031", valid_until=later, scheme_transaction="second")
    answered_again(attempt.provider_account, "A-2", again)
    known = SavedCard.objects.get()
    assert (known, known.payment.order_reference) == (card, "A-2")
    assert (known.expiry, known.valid_until, known.scheme_transaction) == ("12/2031", later, "second")
    answered_again(attempt.provider_account, "A-3", replace(again, scheme_transaction=""))
    known.refresh_from_db()
    assert known.scheme_transaction == "second"
    assert known.opened("recurring").scheme_transaction == "second"


def erased(order_reference):
    Payment.objects.update(state="captured")
    OutboxMessage.objects.update(published_at=timezone.now())
    payment = Payment.objects.get(order_reference=order_reference)
    erase_payment(payment.reference, by="bob", reason="She asked.")


def test_a_card_lives_by_the_latest_payment_with_which_it_was_saved(card, attempt):
    answered_again(attempt.provider_account, "A-2")
    erased("A-1")
    card.refresh_from_db()
    assert (card.state, card.customer_reference) == ("active", "customer-7")
    assert card.opened("recurring").token == TOKEN.token
    erased("A-2")
    card.refresh_from_db()
    assert (card.state, card.sealed_token, card.customer_reference) == ("removed", "", "")


def test_a_card_is_removed_with_its_latest_payment_even_if_an_earlier_one_stays(card, attempt):
    answered_again(attempt.provider_account, "A-2")
    erased("A-2")
    card.refresh_from_db()
    assert card.state == "removed"


def test_an_earlier_payment_whose_outcome_is_found_later_does_not_take_the_card_over(card, attempt, books):
    earlier = wanting_it_saved(an_attempt(attempt.provider_account, "A-2"))
    answered_again(attempt.provider_account, "A-3", replace(TOKEN, scheme_transaction="later"))
    books.issues = replace(TOKEN, scheme_transaction="earlier")
    assert authorise(earlier, "approve").result["outcome"] == "approved"
    known = SavedCard.objects.get()
    assert (known.payment.order_reference, known.scheme_transaction) == ("A-3", "later")


def test_a_removed_card_is_not_renewed(card, attempt):
    remove_card(card.merchant, card.reference, by="ada")
    answered_again(attempt.provider_account, "A-2", replace(TOKEN, expiry="12/2031"))
    card.refresh_from_db()
    assert (card.state, card.expiry) == ("removed", "12/2030")
    assert SavedCard.objects.get(state="active").expiry == "12/2031"


def test_a_removal_removes_every_card_with_the_same_token(card, attempt, settings):
    rotate(settings)
    twin = SavedCard.of(attempt, TOKEN)
    twin.save()
    other = SavedCard.of(attempt, replace(TOKEN, token="other-token"))
    other.save()
    assert twin.token_hash != card.token_hash
    removed = remove_card(card.merchant, card.reference, by="ada")
    assert (removed.state, removed.sealed_token) == ("removed", "")
    for each in (twin, other):
        each.refresh_from_db()
    assert (twin.state, twin.sealed_token, twin.removed_by) == ("removed", "", "ada")
    assert other.state == "active"


def test_a_card_whose_secret_key_is_lost_can_be_removed(card, settings):
    settings.SECRET_KEY = 50 * "n"
    assert remove_card(card.merchant, card.reference, by="ada").state == "removed"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_one_order_that_is_charged_many_times_at_once_is_charged_once(books):
    card = kept(an_attempt(an_account()), books)
    assert len({attempt.pk for attempt in at_once(*[lambda: charge(card)] * 8)}) == 1
    assert OutboxMessage.objects.filter(type="checkout.submit_payment").count() == 1
    assert Payment.objects.filter(order_reference="B-1").count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_card_that_is_removed_while_it_is_charged_is_charged_before_that_or_not_at_all(books):
    card = kept(an_attempt(an_account()), books)

    def charged():
        try:
            charge(card)
        except OperationRejected as error:
            return error.code
        return "charged"

    def removed():
        remove_card(card.merchant, card.reference, by="ada")
        return "removed"

    results = at_once(charged, removed)
    assert sorted(results) in (["charged", "removed"], ["removed", "saved_card_not_usable"])
    assert SavedCard.objects.get().sealed_token == ""
    assert Payment.objects.filter(order_reference="B-1").exists() == ("charged" in results)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_cards_that_are_erased_while_they_are_charged_and_removed_wait_for_no_circle(books):
    card = kept(an_attempt(an_account()), books)
    Payment.objects.update(state="captured")
    orders = iter(("B-1", "B-2"))

    def charged():
        try:
            charge(card, next(orders))
        except OperationRejected as error:
            return error.code
        return "charged"

    def removed():
        return remove_card(card.merchant, card.reference, by="ada").state

    def erased():
        erase_payment(card.payment.reference, by="bob", reason="She asked.")
        return "erased"

    results = at_once(*[charged, removed, erased] * 2)
    assert set(results) <= {"charged", "saved_card_not_usable", "removed", "erased"}
    card.refresh_from_db()
    assert (card.state, card.sealed_token, card.customer_reference) == ("removed", "", "")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_after_a_removal_no_charge_begins_that_was_waiting_for_its_payment(books):
    card = kept(an_attempt(an_account()), books)
    attempt = charge(card)
    is_held = threading.Event()

    def hold_the_payment_and_remove_the_card_meanwhile():
        with transaction.atomic():
            Payment.objects.select_for_update().get(pk=attempt.payment_id)
            is_held.set()
            wait_until(somebody_waits_for_a_lock, "the charge to wait for its payment")
            at_once(lambda: remove_card(card.merchant, card.reference, by="ada"))
        return ""

    def begin():
        assert is_held.wait(20)
        return deliver(service, to_authorise(attempt, "")).result["outcome"]

    assert at_once(hold_the_payment_and_remove_the_card_meanwhile, begin) == ["", "not_sent"]
    assert books.orders == {}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_card_that_two_payments_save_at_once_lives_by_the_one_that_comes_last(books):
    books.issues = TOKEN
    account = an_account()
    first, second = (wanting_it_saved(an_attempt(account, number)) for number in ("A-1", "A-2"))
    is_saved = threading.Event()

    def save_first():
        with transaction.atomic():
            first.payment.customer_reference = "customer-7"
            SavedCard.of(first, TOKEN).save()
            is_saved.set()
            wait_until(somebody_waits_for_a_lock, "the second payment to wait for the first")

    def save_second():
        assert is_saved.wait(20)
        authorise(second, "approve")

    at_once(save_first, save_second)
    assert SavedCard.objects.get().payment == second.payment


def test_a_challenge_of_a_charge_without_a_shopper_is_a_refusal_for_lack_of_one(card, books):
    books.tokens[TOKEN.token] = "challenge"
    attempt = charge(card)
    result = authorise(attempt, "").result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "authentication_required")
    assert (attempt.state, attempt.challenge) == (Attempt.State.REFUSED, None)


@pytest.mark.parametrize("captures", ["yes", "no"])
def test_the_provider_captures_a_charge_with_its_authorisation_only_if_that_is_arranged(
    card, books, captures
):
    ProviderAccount.objects.update(options={"captures_with_authorisation": captures})
    attempt = charge(card)
    authorise(attempt, "")
    taken = Money(900 if captures == "yes" else 0, "GBP")
    assert books.orders[attempt.order_code].captured == taken
    assert attempt.operations.filter(kind="capture").exists() is (captures == "yes")
