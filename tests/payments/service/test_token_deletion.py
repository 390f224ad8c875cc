"""The token of a removed card is deleted at the provider, even if answers are lost or processes end."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid, ProviderUnavailable
from checkout.payments.actions.saved_cards import erase_cards, remove_card
from checkout.payments.messages import DeleteToken
from checkout.payments.models import OutboxMessage, ProviderAccount, SavedCard
from checkout.payments.service import service
from checkout.payments.timers.cards.deletion import delete_tokens
from checkout.payments.timers.due_checks import tokens_due_in
from messaging.worker.service import CommandRejected
from tests.payments.service.asking import authorise
from tests.payments.service.at_once import at_once
from tests.payments.service.conftest import an_account, an_attempt
from tests.payments.service.delivering import deliver
from tests.payments.service.removed_cards import (
    DELAYS,
    NOT_FOUND,
    REFUSED,
    UNDECIDED,
    ask,
    card,
    commands_written,
    delays,
    let_pass,
    provider_answers,
    remove,
    removed,
    to_delete,
)
from tests.payments.service.test_saved_cards import TOKEN, charge, kept, rotate

__all__ = ["card", "delays", "removed"]
pytestmark = pytest.mark.django_db


def test_the_provider_is_asked_once_all_that_was_sent_before_the_removal_has_arrived(card, books, settings):
    settings.CHECKOUT_SETTLING_SECONDS = 100
    remove_card(card.merchant, card.reference, by="ada")
    let_pass(timedelta(seconds=99), card)
    assert tokens_due_in() > 0
    assert delete_tokens() == 0
    assert ask(card).deletion_tries == 0
    assert TOKEN.token in books.tokens
    let_pass(timedelta(seconds=2), card)
    assert tokens_due_in() <= 0
    assert (delete_tokens(), delete_tokens()) == (1, 0)
    assert commands_written() == [DeleteToken(card=card.reference, number=0)]
    ask(card)
    assert books.tokens == {}
    assert (card.token_to_delete, card.deletion_due_at, card.deletion_tries) == ("", None, 1)
    assert card.deleted_at is not None


def test_a_charge_that_began_before_the_removal_is_made_before_the_token_is_deleted(card, books):
    attempt = charge(card)

    def remove_it_meanwhile() -> None:
        remove_card(card.merchant, card.reference, by="ada")
        ask(card)
        assert tokens_due_in() > 0

    with books.scenarios.before("authorise", remove_it_meanwhile):
        assert authorise(attempt, "").result["outcome"] == "approved"
    ask(let_pass(conf.settling_time, card))
    assert books.tokens == {}


def test_a_command_that_comes_too_early_by_the_clock_of_another_process_is_followed_by_one_in_time(
    card, settings
):
    settings.CHECKOUT_SETTLING_SECONDS = 100
    remove_card(card.merchant, card.reference, by="ada")
    card.refresh_from_db()
    due = card.deletion_due_at
    SavedCard.objects.update(deletion_due_at=timezone.now() + timedelta(minutes=10))  # as the timer does
    assert ask(card).deletion_tries == 0
    assert card.deletion_due_at == due


def test_a_command_that_is_lost_is_followed_by_another(removed):
    assert (delete_tokens(), delete_tokens()) == (1, 0)
    let_pass(timedelta(minutes=11), removed)
    assert delete_tokens() == 1
    assert commands_written() == 2 * [DeleteToken(card=removed.reference, number=0)]


def test_no_message_and_no_log_names_the_token(removed, caplog, books):
    delete_tokens()
    provider_answers(books, UNDECIDED)
    ask(removed)
    books.scenarios.end()
    ask(removed)
    assert removed.deleted_at is not None
    assert TOKEN.token not in caplog.text + str(list(OutboxMessage.objects.values()))
    assert TOKEN.token not in str(vars(removed))


@pytest.mark.parametrize(
    "answer",
    [
        UNDECIDED,
        REFUSED,
        OutcomeUnknown("no answer"),
        ProviderUnavailable("no connection"),
        ProviderReplyInvalid("not understood"),
        ProviderMisconfigured("wrong password"),
    ],
)
def test_without_the_providers_word_it_is_asked_again_later_and_later_and_then_left_to_staff(
    removed, answer, books
):
    asked = provider_answers(books, answer)
    for number, delay in enumerate(DELAYS):
        ask(removed)
        assert removed.deletion_tries == number + 1
        assert round((removed.deletion_due_at - timezone.now()).total_seconds()) == delay
        let_pass(timedelta(seconds=delay), removed)
    last = to_delete(removed)
    for _ in range(2):  # staff send the dead letter again
        with pytest.raises(CommandRejected, match="has not deleted it"):
            ask(removed, last)
        removed.refresh_from_db()
        assert removed.deletion_due_at is None
        assert delete_tokens() == 0
    assert len(asked) == len(DELAYS) + 2
    books.scenarios.end()
    assert TOKEN.token in books.tokens
    assert ask(removed, last).deleted_at is not None
    assert books.tokens == {}


def test_a_token_that_the_provider_has_not_counts_as_deleted(removed, books):
    books.tokens.clear()
    assert ask(removed).deleted_at is not None
    assert removed.token_to_delete == ""


def test_a_token_that_the_provider_does_not_find_is_looked_for_again_before_it_counts_as_deleted(
    removed, books
):
    asked = provider_answers(books, NOT_FOUND)
    for delay in DELAYS:
        assert ask(removed).token_to_delete != ""
        let_pass(timedelta(seconds=delay), removed)
    assert (ask(removed).token_to_delete, removed.deletion_due_at) == ("", None)
    assert len(asked) == len(DELAYS) + 1


def test_a_late_copy_of_a_command_asks_nothing(removed, books):
    asked = provider_answers(books, UNDECIDED)
    first = to_delete(removed)
    ask(removed, first)
    ask(removed, first)
    ask(removed, to_delete(removed, 0))
    assert len(asked) == 1
    books.scenarios.end()
    ask(ask(removed))
    assert (removed.token_to_delete, removed.deletion_tries) == ("", 2)


def test_a_process_that_ends_while_it_asks_is_followed_by_the_timer(removed, books):
    class Killed(BaseException):
        pass

    with books.scenarios.answer("delete_token", Killed()), pytest.raises(Killed):
        ask(removed)
    removed.refresh_from_db()
    assert removed.deletion_tries == 1
    assert delete_tokens() == 0
    let_pass(conf.provider_wait, removed)
    assert delete_tokens() == 1
    assert commands_written() == [DeleteToken(card=removed.reference, number=1)]
    assert ask(removed).deleted_at is not None
    assert books.tokens == {}


def test_nothing_is_asked_for_a_card_that_is_there_or_unknown(card, books):
    assert ask(card).state == "active"
    deliver(service, to_delete(SavedCard(reference="card_unknown")))
    assert TOKEN.token in books.tokens


def test_a_token_that_should_have_lapsed_is_deleted_since_its_use_may_have_prolonged_it(card, books):
    card.valid_until = timezone.now().date() - timedelta(days=2)
    card.save()
    assert ask(remove(card)).deleted_at is not None
    assert books.tokens == {}


def test_a_provider_that_deletes_none_is_not_asked(removed, books):
    ProviderAccount.objects.update(options={"deletes_tokens": "no"})
    asked = provider_answers(books, UNDECIDED)
    assert ask(removed).token_to_delete == ""
    assert (asked, removed.deleted_at, removed.deletion_due_at) == ([], None, None)


def test_a_token_under_a_dropped_secret_key_is_left_to_staff(removed, settings, books):
    secret_key, settings.SECRET_KEY = settings.SECRET_KEY, 50 * "n"
    command = to_delete(removed)
    with pytest.raises(CommandRejected):
        ask(removed, command)
    removed.refresh_from_db()
    assert (removed.deletion_due_at, removed.deletion_tries) == (None, 0)
    settings.SECRET_KEY_FALLBACKS = [secret_key]
    ask(removed, command)
    assert books.tokens == {}


def test_a_token_that_another_card_uses_is_not_deleted(removed, attempt, books):
    asked = provider_answers(books, UNDECIDED)
    SavedCard.of(attempt, TOKEN).save()
    assert (ask(removed).token_to_delete, removed.deletion_due_at, asked) == ("", None, [])
    assert TOKEN.token in books.tokens


@pytest.mark.parametrize("is_of_another_account", [False, True])
def test_the_last_of_several_cards_with_one_token_has_it_deleted(
    card, attempt, books, settings, is_of_another_account
):
    if is_of_another_account:
        attempt.provider_account = ProviderAccount.objects.create(
            merchant=attempt.payment.merchant, code="elsewhere", provider="memory", merchant_code="OTHER"
        )
    else:
        rotate(settings)
    twin = SavedCard.of(attempt, TOKEN)
    twin.save()
    ask(remove(card))
    assert (TOKEN.token in books.tokens) == is_of_another_account
    twin.refresh_from_db()
    if is_of_another_account:
        assert twin.state == "active"
        remove_card(twin.merchant, twin.reference, by="ada")
        let_pass(conf.settling_time, twin)
    assert ask(twin).deleted_at is not None


def test_only_what_its_deletion_needs_is_kept_of_an_erased_card(card, books):
    erase_cards(card.payment, by="bob")
    card.refresh_from_db()
    assert (card.state, card.customer_reference, card.scheme_transaction) == ("removed", "", "")
    assert card.shopper
    ask(let_pass(conf.settling_time, card))
    assert books.tokens == {}
    assert not {card.token_to_delete, card.sealed_token, card.shopper, card.token_hash} - {""}


def test_a_card_that_is_erased_after_its_deletion_keeps_nothing(removed):
    ask(removed)
    assert removed.shopper
    erase_cards(removed.payment, by="bob")
    removed.refresh_from_db()
    assert not {removed.shopper, removed.token_hash, removed.customer_reference} - {""}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_no_lock_and_no_transaction_is_held_while_the_provider_is_asked(books):
    card = remove(kept(an_attempt(an_account()), books))
    seen = []

    @transaction.atomic
    def lock():
        SavedCard.objects.select_for_update(nowait=True).get(pk=card.pk)
        return "locked"

    books.scenarios.before("delete_token", lambda: seen.extend([connection.in_atomic_block, *at_once(lock)]))
    assert ask(card).deleted_at is not None
    assert seen == [False, "locked"]
