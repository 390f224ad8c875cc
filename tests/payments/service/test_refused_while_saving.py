"""A provider keeps a card even if the payment that was to save it is refused, and must then forget it."""

from dataclasses import replace

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.actions.saved_cards import cards_of
from checkout.payments.models import Attempt, SavedCard
from checkout.payments.providers.saved_cards import KeptToken
from checkout.payments.service import service
from checkout.payments.service.cards.saving import TIMES_FOR_ANOTHER_TRY
from tests.payments.service.asking import authorise, come_back, inquire, to_complete_challenge
from tests.payments.service.conftest import an_attempt
from tests.payments.service.delivering import deliver
from tests.payments.service.removed_cards import ask, let_pass
from tests.payments.service.test_saved_cards import TOKEN, wanting_it_saved
from tests.support.memory_provider.books import books_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def saving(attempt):
    return wanting_it_saved(attempt)


def test_the_token_of_a_refused_payment_is_deleted(saving, books):
    authorise(saving, "refuse")
    card = SavedCard.objects.get()
    assert (card.state, card.sealed_token, card.removed_by) == (
        "removed",
        "",
        "gateway: its payment was refused",
    )
    assert not cards_of(card.merchant, "customer-7").exists()
    (token,) = books.tokens
    assert card.doomed() == KeptToken(token=token, shopper=card.shopper)
    assert card.deletion_due_at is not None
    assert card.deletion_due_at - timezone.now() > 2 * conf.settling_time
    over = ask(let_pass(TIMES_FOR_ANOTHER_TRY * conf.settling_time, card))
    assert books.tokens == {}
    assert (over.token_to_delete, over.deletion_due_at) == ("", None)


def test_the_token_of_a_payment_whose_challenge_failed_is_deleted(saving, books):
    authorise(saving, "challenge_refuse")
    assert not SavedCard.objects.exists()
    come_back(saving)
    deliver(service, to_complete_challenge(saving))
    assert SavedCard.objects.get().state == "removed"


@pytest.mark.parametrize("sealed", ["pending", "lost", "unavailable"])
def test_without_a_refusal_nothing_is_deleted(saving, sealed):
    authorise(saving, sealed)
    assert not SavedCard.objects.exists()


def refused_again(saving, number, token=TOKEN):
    books_of(saving.provider_account.code).issues = token
    authorise(wanting_it_saved(an_attempt(saving.provider_account, number)), "refuse")


def test_a_card_that_is_saved_already_stays_when_another_payment_with_it_is_refused(saving, books):
    books.issues = TOKEN
    authorise(saving, "approve")
    refused_again(saving, "A-2")
    assert SavedCard.objects.get().state == "active"


def test_a_card_that_is_refused_twice_is_deleted_once(saving):
    refused_again(saving, "A-2")
    refused_again(saving, "A-3")
    refused_again(saving, "A-4", replace(TOKEN, token="another"))
    assert SavedCard.objects.count() == 2


def test_a_card_that_is_kept_anew_after_its_deletion_was_asked_for_is_deleted_again(saving):
    refused_again(saving, "A-2")
    SavedCard.objects.update(deletion_asked_at=timezone.now())
    refused_again(saving, "A-3")
    assert SavedCard.objects.count() == 2


def test_a_shopper_whose_second_try_is_approved_keeps_the_card(saving, books):
    refused_again(saving, "A-2")
    removed = SavedCard.objects.get()
    assert authorise(saving, "approve").result["outcome"] == "approved"
    ask(let_pass(TIMES_FOR_ANOTHER_TRY * conf.settling_time, removed))
    assert books.tokens
    assert (removed.token_to_delete, removed.deletion_tries) == ("", 0)
    assert SavedCard.objects.get(state="active").payment == saving.payment


def test_a_refusal_that_only_an_inquiry_shows_names_the_token_as_well(saving, books):
    authorise(saving, "unknown")
    order = books.orders[saving.order_code]
    order.state = type(order.state).REFUSED
    inquire(saving)
    assert saving.state == Attempt.State.REFUSED
    assert SavedCard.objects.get().state == "removed"
