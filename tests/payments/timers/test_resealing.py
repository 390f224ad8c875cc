"""Tokens of saved cards are sealed again under the newest key, so that an earlier key can be dropped."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.errors import StoredSecretUnreadable
from checkout.payments.actions.saved_cards import remove_card
from checkout.payments.models import RetentionWalk, SavedCard
from checkout.payments.timers.cards import resealing
from checkout.payments.timers.cards.resealing import seal_tokens_again
from tests.payments.service.test_saved_cards import TOKEN, kept, rotate

pytestmark = pytest.mark.django_db


@pytest.fixture
def card(attempt, books):
    return kept(attempt, books)


def a_day_passes():
    RetentionWalk.objects.update(began_at=timezone.now() - timedelta(days=1))


def drop_the_earlier_key(settings):
    settings.SECRET_KEY_FALLBACKS = []


def test_a_card_can_be_charged_after_its_secret_key_was_dropped(card, settings):
    rotate(settings)
    assert seal_tokens_again().done == 1
    drop_the_earlier_key(settings)
    card.refresh_from_db()
    assert card.opened("unscheduled").token == TOKEN.token


def test_a_token_is_known_again_after_its_secret_key_was_dropped(card, settings):
    rotate(settings)
    seal_tokens_again()
    drop_the_earlier_key(settings)
    assert SavedCard.with_token(card.provider_account_id, TOKEN.token).get() == card


def test_the_token_of_a_removed_card_can_be_deleted_after_its_secret_key_was_dropped(card, settings):
    remove_card(card.merchant, card.reference, by="ada")
    rotate(settings)
    seal_tokens_again()
    drop_the_earlier_key(settings)
    card.refresh_from_db()
    assert card.doomed().token == TOKEN.token


def test_all_cards_are_walked_through_and_again_after_a_day(card, settings, monkeypatch):
    monkeypatch.setattr(resealing, "BATCH", 1)
    rotate(settings)
    assert seal_tokens_again().has_more
    assert not seal_tokens_again().has_more
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], 50 * "o"
    assert seal_tokens_again().done == 0
    a_day_passes()
    assert seal_tokens_again().done == 1


def test_a_token_that_is_erased_meanwhile_stays_erased(card, settings, monkeypatch):
    remove_card(card.merchant, card.reference, by="ada")
    rotate(settings)
    made = SavedCard.sealed_again

    def erased_meanwhile(self):
        card.refresh_from_db()
        card.end_deletion()
        card.save()
        return made(self)

    monkeypatch.setattr(SavedCard, "sealed_again", erased_meanwhile)
    assert seal_tokens_again().done == 0
    assert SavedCard.objects.get().token_to_delete == ""


def test_an_unreadable_token_keeps_no_other_from_being_sealed_again(card, attempt, settings):
    SavedCard.objects.update(sealed_token="secret1.AAAA.AAAA")
    other = SavedCard.of(attempt, TOKEN)
    other.token_hash = "of another token"
    other.save()
    rotate(settings)
    assert seal_tokens_again().done == 1
    drop_the_earlier_key(settings)
    other.refresh_from_db()
    assert other.opened("unscheduled").token == TOKEN.token
    with pytest.raises(StoredSecretUnreadable):
        SavedCard.objects.get(pk=card.pk).opened("unscheduled")


def test_the_earlier_of_two_cards_with_one_token_stays_as_it_is(card, attempt, settings):
    rotate(settings)
    SavedCard.of(attempt, TOKEN).save()
    assert seal_tokens_again().done == 0
    assert SavedCard.objects.get(pk=card.pk).sealed_token == card.sealed_token
