"""The provider renews a token that is used, and does not say until when."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from checkout.payments.models import Attempt, SavedCard
from tests.payments.service.asking import authorise, inquire
from tests.payments.service.test_saved_cards import TOKEN, charge, kept

pytestmark = pytest.mark.django_db

LAST_DAY = date(2030, 1, 31)


@pytest.fixture
def card(attempt, books):
    card = kept(attempt, books)
    card.valid_until = LAST_DAY
    card.save()
    return card


def test_a_card_that_was_charged_can_be_charged_after_the_day_on_which_its_token_would_have_lapsed(
    card, books
):
    card.valid_until = timezone.now().date() + timedelta(days=1)
    card.save()
    authorise(charge(card), "")
    SavedCard.objects.filter(valid_until__isnull=False).update(
        valid_until=timezone.now().date() - timedelta(days=2)
    )
    another = charge(card, "B-2")
    authorise(another, "")
    assert another.state == Attempt.State.AUTHORISED


@pytest.mark.parametrize(
    ("answer", "last_day"),
    [("approve", None), ("refuse", LAST_DAY), ("challenge", LAST_DAY), ("unknown", LAST_DAY)],
)
def test_the_last_day_of_a_token_is_unknown_once_a_charge_was_approved(card, books, answer, last_day):
    books.tokens[TOKEN.token] = answer
    authorise(charge(card), "")
    card.refresh_from_db()
    assert card.valid_until == last_day


def test_the_last_day_of_a_token_is_unknown_if_only_an_inquiry_shows_the_approval(card, books):
    books.tokens[TOKEN.token] = "unknown"
    attempt = charge(card)
    authorise(attempt, "")
    inquire(attempt)
    card.refresh_from_db()
    assert (attempt.state, card.valid_until) == (Attempt.State.AUTHORISED, None)
