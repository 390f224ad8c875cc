"""A card is saved again while its earlier token is being deleted at the provider."""

import threading
from datetime import timedelta

import pytest
from django.db import transaction

from checkout.conf import conf
from checkout.errors import OutcomeUnknown
from checkout.payments.models import Payment, ProviderAccount, SavedCard
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.payments.service.cards.saving import keep_card
from tests.payments.service.asking import authorise
from tests.payments.service.at_once import at_once, somebody_waits_for_a_lock
from tests.payments.service.conftest import an_account, an_attempt
from tests.payments.service.removed_cards import (
    UNDECIDED,
    ask,
    card,
    delays,
    let_pass,
    provider_answers,
    remove,
    removed,
)
from tests.payments.service.test_saved_cards import TOKEN, kept, wanting_it_saved
from tests.support.memory_provider.books import books_of
from tests.support.waiting import wait_until

__all__ = ["card", "delays", "removed"]
pytestmark = pytest.mark.django_db


def saved_by(attempt, meanwhile=lambda: None):
    """Authorise a payment whose card gets the token, while something happens at the provider."""
    books = books_of(attempt.provider_account.code)
    books.issues = TOKEN

    def keep() -> None:
        books.tokens[TOKEN.token] = "approve"
        meanwhile()

    with books.scenarios.meanwhile("authorise", keep):
        assert authorise(attempt, "approve").result["outcome"] == "approved"
    return SavedCard.objects.get(payment=attempt.payment)


def another(account, number="A-2"):
    return wanting_it_saved(an_attempt(account, number))


def test_a_card_that_is_saved_again_before_the_deletion_keeps_its_token(removed, account, books):
    new = saved_by(another(account))
    ask(removed)
    assert (new.state, removed.token_to_delete, removed.deleted_at) == ("active", "", None)
    assert TOKEN.token in books.tokens


def test_a_card_that_is_saved_after_the_deletion_is_a_new_one(removed, account, books):
    ask(removed)
    assert saved_by(another(account)).state == "active"
    assert TOKEN.token in books.tokens


def test_a_card_that_is_saved_while_its_token_is_deleted_is_not_usable_and_its_token_is_deleted(
    removed, account, books, caplog
):
    new = saved_by(another(account), meanwhile=lambda: ask(removed))
    assert (new.state, new.sealed_token) == ("removed", "")
    assert "its token was just being deleted" in caplog.text
    books.tokens[TOKEN.token] = "approve"  # the deletion came first, and the card was kept after it
    ask(let_pass(conf.settling_time, new))
    assert TOKEN.token not in books.tokens


def test_a_card_whose_answer_comes_when_the_removed_one_has_been_erased_is_not_usable(removed, account):
    def meanwhile() -> None:
        SavedCard.objects.filter(pk=removed.pk).update(customer_reference="")
        removed.refresh_from_db()
        ask(removed)

    new = saved_by(another(account), meanwhile=meanwhile)
    assert removed.token_hash == ""
    assert (new.state, new.sealed_token) == ("removed", "")


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_deletion_without_an_answer_may_still_arrive_until_it_has_settled(
    removed, account, books, is_settled
):
    provider_answers(books, OutcomeUnknown("no answer"))
    ask(removed)
    if is_settled:
        let_pass(conf.settling_time + timedelta(seconds=1), removed)
    new = saved_by(another(account))
    assert new.state == ("active" if is_settled else "removed")
    books.scenarios.end()
    ask(let_pass(conf.settling_time, removed))
    assert (TOKEN.token in books.tokens) == is_settled


def test_an_answer_does_not_settle_an_earlier_request(removed, account, books):
    provider_answers(books, OutcomeUnknown("no answer"))
    ask(removed)
    books.scenarios.end()
    assert ask(removed).deleted_at is not None
    assert saved_by(another(account)).state == "removed"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_deletion_waits_for_a_payment_that_is_just_saving_the_token_again(books):
    account = an_account()
    card = remove(kept(an_attempt(account), books))
    again = another(account)
    asked = provider_answers(books, UNDECIDED)
    is_saved = threading.Event()

    def save():
        with transaction.atomic():
            Payment.objects.select_for_update().get(pk=again.payment_id)
            keep_card(again, ProviderResult(outcome=Outcome.APPROVED, token=TOKEN))
            is_saved.set()
            wait_until(somebody_waits_for_a_lock, "the deletion to wait for the payment")

    def delete():
        assert is_saved.wait(20)
        ask(card)

    at_once(save, delete)
    card.refresh_from_db()
    assert (asked, card.token_to_delete) == ([], "")
    assert SavedCard.objects.filter(state="active").count() == 1


def test_the_same_token_of_another_account_is_another_card(card, account, settings):
    """A token is charged through the account to which the provider gave it."""
    other = ProviderAccount.objects.create(
        merchant=account.merchant,
        code="other",
        provider="memory",
        merchant_code=account.merchant_code,
        endpoint="",
        options=account.options,
    )
    credentials = settings.CHECKOUT_PROVIDER_CREDENTIALS
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {**credentials, "other": credentials[account.code]}
    again = saved_by(wanting_it_saved(an_attempt(other, "A-2")))
    assert again.pk != card.pk
    assert (card.provider_account, again.provider_account) == (account, other)
    card.refresh_from_db()
    assert card.payment != again.payment
