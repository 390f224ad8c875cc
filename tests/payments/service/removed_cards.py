"""A removed card, the passing of time, and a provider that answers the deletion of its token."""

from datetime import timedelta

import msgspec
import pytest

from checkout.conf import conf
from checkout.payments.actions.saved_cards import remove_card
from checkout.payments.messages import DeleteToken
from checkout.payments.models import OutboxMessage, SavedCard
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.payments.providers.saved_cards import TOKEN_NOT_FOUND, KeptToken
from checkout.payments.service import service
from messaging.envelope import Envelope, encode_body
from tests.payments.service.delivering import deliver
from tests.payments.service.test_saved_cards import kept
from tests.support.memory_provider.books import Books

DELAYS = (10, 100)
UNDECIDED = ProviderResult(outcome=Outcome.UNKNOWN, event="ERROR 1")
NOT_FOUND = ProviderResult(outcome=Outcome.UNKNOWN, event=TOKEN_NOT_FOUND)
REFUSED = ProviderResult(outcome=Outcome.REFUSED, event="ERROR 2")


@pytest.fixture(autouse=True)
def delays(settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = DELAYS


@pytest.fixture
def card(attempt, books):
    return kept(attempt, books)


@pytest.fixture
def removed(card):
    return remove(card)


def remove(card: SavedCard) -> SavedCard:
    """Remove the card, and let all earlier requests arrive."""
    remove_card(card.merchant, card.reference, by="ada")
    return let_pass(conf.settling_time, card)


def let_pass(time: timedelta, card: SavedCard) -> SavedCard:
    for row in SavedCard.objects.exclude(removed_at=None):
        for name in ("removed_at", "deletion_due_at", "deletion_asked_at", "deleted_at"):
            moment = getattr(row, name)
            setattr(row, name, moment and moment - time)
        row.save()
    card.refresh_from_db()
    return card


def to_delete(card: SavedCard, number: int | None = None) -> Envelope:
    number = card.deletion_tries if number is None else number
    command = DeleteToken(card=card.reference, number=number)
    return Envelope(type=command.to, body=encode_body(command), headers={})


def ask(card: SavedCard, envelope: Envelope | None = None) -> SavedCard:
    deliver(service, envelope or to_delete(card))
    card.refresh_from_db()
    return card


def commands_written() -> list[DeleteToken]:
    rows = OutboxMessage.objects.filter(type="payments.delete_token").order_by("pk")
    return [msgspec.json.decode(row.body, type=DeleteToken) for row in rows]


def provider_answers(books: Books, answer: ProviderResult | Exception) -> list[KeptToken]:
    """Let the provider give this answer and delete nothing. Return the requests that it gets."""
    books.scenarios.answer("delete_token", answer)
    return books.scenarios.asked["delete_token"]
