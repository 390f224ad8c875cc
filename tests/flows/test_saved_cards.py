"""A card that is removed leaves no token at the provider, whatever answers are lost."""

import pytest_asyncio
from pytest_django import Settings

from checkout.errors import OutcomeUnknown, ProviderUnavailable
from checkout.payments.actions.saved_cards import remove_card
from checkout.payments.actions.staff.dead_letters import requeue_dead_letter
from checkout.payments.models import DeadLetter, Payment, SavedCard
from messaging.concurrency.database import in_thread
from tests.flows.shopping import eventually, pay, saga_status
from tests.support.memory_provider.books import Books


@pytest_asyncio.fixture
async def card(payment: Payment, books: Books, back_end: None, settings: Settings) -> SavedCard:
    """Pay with a card that is saved, and return the card. Later requests are repeated at once."""
    payment.customer_reference = "customer-7"
    await in_thread(payment.save)
    await pay(payment, "approve", saves_card=True)
    await eventually(saga_status(payment), "completed")
    # A busy machine may be too slow to authorise a payment within so short a time.
    settings.CHECKOUT_SETTLING_SECONDS = 2
    settings.CHECKOUT_ORDER_LAG_SECONDS = settings.CHECKOUT_MODIFICATION_LAG_SECONDS = 0
    settings.CHECKOUT_INQUIRY_DELAYS = (0, 0, 0)
    return await in_thread(SavedCard.objects.get)


def remove(card: SavedCard) -> None:
    remove_card(card.merchant, card.reference, by="ada")


def is_deleted() -> bool:
    return SavedCard.objects.filter(deleted_at__isnull=False, token_to_delete="").exists()


async def test_the_token_of_a_removed_card_is_deleted(card: SavedCard, books: Books) -> None:
    assert books.tokens
    await in_thread(remove, card)
    await eventually(is_deleted, True)
    assert books.tokens == {}


async def test_a_provider_that_is_away_is_asked_again_until_it_answers(
    card: SavedCard, books: Books, settings: Settings
) -> None:
    # On a busy machine, the time for sending a request may pass before that.
    settings.CHECKOUT_INQUIRY_DELAYS = (0,) * 20
    books.scenarios.answer("delete_token", OutcomeUnknown("no answer"), times=1)
    books.scenarios.answer("delete_token", ProviderUnavailable("no connection"), times=1)
    await in_thread(remove, card)
    await eventually(is_deleted, True)
    assert books.tokens == {}


async def test_a_provider_that_never_answers_is_presented_to_staff(card: SavedCard, books: Books) -> None:
    books.scenarios.answer("delete_token", OutcomeUnknown("no answer"))
    await in_thread(remove, card)
    await eventually(
        lambda: list(DeadLetter.objects.values_list("type", "subject")),
        [("payments.delete_token", card.reference)],
    )
    letter = await in_thread(DeadLetter.objects.get)
    assert "token_not_deleted" in letter.reason
    assert next(iter(books.tokens)) not in str(vars(letter))
    books.scenarios.end()
    await in_thread(requeue_dead_letter, letter.pk, by="ada")
    await eventually(is_deleted, True)
    assert books.tokens == {}
