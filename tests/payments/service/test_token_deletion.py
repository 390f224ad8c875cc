"""The token of a removed card is deleted at the provider, also if answers are lost or processes end."""

import threading
from datetime import timedelta

import msgspec
import pytest
from django.db import connection, transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid, ProviderUnavailable
from checkout.payments.actions.saved_cards import erase_cards, remove_card
from checkout.payments.messages import DeleteToken
from checkout.payments.models import OutboxMessage, Payment, ProviderAccount, SavedCard
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.payments.providers.memory import MemoryProvider
from checkout.payments.providers.saved_cards import KeptToken
from checkout.payments.service import service
from checkout.payments.service.cards.saving import keep_card
from checkout.payments.timers.due import has_tokens_to_delete
from checkout.payments.timers.tokens import delete_tokens
from messaging.envelope import Envelope, encode_body
from messaging.worker.service import CommandRejected
from tests.payments.service.asking import authorise
from tests.payments.service.at_once import at_once
from tests.payments.service.conftest import an_account, an_attempt
from tests.payments.service.delivering import deliver
from tests.payments.service.test_sagas_at_once import somebody_waits_for_a_lock
from tests.payments.service.test_saved_cards import TOKEN, charge, kept, rotate, wanting_it_saved
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db

DELAYS = (10, 100)
UNDECIDED = ProviderResult(outcome=Outcome.UNKNOWN, event="ERROR 1")
REFUSED = ProviderResult(outcome=Outcome.REFUSED, event="ERROR 2")


@pytest.fixture(autouse=True)
def _delays(settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = DELAYS


@pytest.fixture
def card(attempt, books):
    return kept(attempt, books)


@pytest.fixture
def removed(card):
    return remove(card)


def remove(card: SavedCard) -> SavedCard:
    """Remove the card, and let all that was sent before arrive."""
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


def provider_answers(monkeypatch, answer: ProviderResult | Exception) -> list[KeptToken]:
    """Let the provider answer so and delete nothing. Return the requests that it gets."""
    asked: list[KeptToken] = []

    def delete_token(provider: MemoryProvider, kept: KeptToken) -> ProviderResult:
        asked.append(kept)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(MemoryProvider, "delete_token", delete_token)
    return asked


def test_the_provider_is_asked_once_all_that_was_sent_before_the_removal_has_arrived(card, books, settings):
    settings.CHECKOUT_SETTLING_SECONDS = 100
    remove_card(card.merchant, card.reference, by="ada")
    let_pass(timedelta(seconds=99), card)
    assert not has_tokens_to_delete()
    assert delete_tokens() == 0
    assert ask(card).deletion_tries == 0
    assert TOKEN.token in books.tokens
    let_pass(timedelta(seconds=2), card)
    assert has_tokens_to_delete()
    assert (delete_tokens(), delete_tokens()) == (1, 0)
    assert commands_written() == [DeleteToken(card=card.reference, number=0)]
    ask(card)
    assert books.tokens == {}
    assert (card.token_to_delete, card.deletion_due_at, card.deletion_tries) == ("", None, 1)
    assert card.deleted_at is not None


def test_a_charge_that_began_before_the_removal_is_made_before_the_token_is_deleted(card, books):
    attempt = charge(card)

    def removed_while_it_is_sent(provider, request):
        remove_card(card.merchant, card.reference, by="ada")
        ask(card)
        assert not has_tokens_to_delete()
        return right(provider, request)

    right = MemoryProvider.authorise
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryProvider, "authorise", removed_while_it_is_sent)
        assert authorise(attempt, "").result["outcome"] == "approved"
    ask(let_pass(conf.settling_time, card))
    assert books.tokens == {}


def test_a_command_that_is_lost_is_followed_by_another(removed):
    assert (delete_tokens(), delete_tokens()) == (1, 0)
    let_pass(timedelta(minutes=11), removed)
    assert delete_tokens() == 1
    assert commands_written() == 2 * [DeleteToken(card=removed.reference, number=0)]


def test_no_message_and_no_log_names_the_token(removed, caplog, monkeypatch):
    delete_tokens()
    provider_answers(monkeypatch, UNDECIDED)
    ask(removed)
    monkeypatch.undo()
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
    removed, monkeypatch, answer, books
):
    asked = provider_answers(monkeypatch, answer)
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
    monkeypatch.undo()
    assert TOKEN.token in books.tokens
    assert ask(removed, last).deleted_at is not None
    assert books.tokens == {}


def test_a_token_that_the_provider_has_not_counts_as_deleted(removed, books):
    books.tokens.clear()
    assert ask(removed).deleted_at is not None
    assert removed.token_to_delete == ""


def test_a_late_copy_of_a_command_asks_nothing(removed, monkeypatch):
    asked = provider_answers(monkeypatch, UNDECIDED)
    first = to_delete(removed)
    ask(removed, first)
    ask(removed, first)
    ask(removed, to_delete(removed, 0))
    assert len(asked) == 1
    monkeypatch.undo()
    ask(ask(removed))
    assert (removed.token_to_delete, removed.deletion_tries) == ("", 2)


def test_a_process_that_ends_while_it_asks_is_followed_by_the_timer(removed, monkeypatch, books):
    class Killed(BaseException):
        pass

    def killed(provider, kept):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryProvider, "delete_token", killed)
        with pytest.raises(Killed):
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
    card.valid_until = timezone.now().date() - timedelta(days=1)
    card.save()
    assert ask(remove(card)).deleted_at is not None
    assert books.tokens == {}


def test_a_provider_that_deletes_none_is_not_asked(removed, monkeypatch):
    ProviderAccount.objects.update(options={"deletes_tokens": "no"})
    asked = provider_answers(monkeypatch, UNDECIDED)
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


def test_a_token_that_another_card_uses_is_not_deleted(removed, attempt, monkeypatch, books):
    asked = provider_answers(monkeypatch, UNDECIDED)
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


def test_of_an_erased_card_only_what_its_deletion_needs_is_kept_until_then(card, books):
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


def saved_by(attempt, monkeypatch, meanwhile=lambda: None):
    """Authorise a payment whose card gets the token, while something happens at the provider."""
    right = MemoryProvider.authorise

    def authorise_slowly(provider, request):
        result = right(provider, request)
        provider.books.tokens[TOKEN.token] = "approve"
        meanwhile()
        return result

    monkeypatch.setattr(MemoryProvider, "authorise", authorise_slowly)
    monkeypatch.setattr("checkout.payments.providers.memory._issued", lambda order: TOKEN)
    assert authorise(attempt, "approve").result["outcome"] == "approved"
    return SavedCard.objects.get(payment=attempt.payment)


def another(account, number="A-2"):
    return wanting_it_saved(an_attempt(account, number))


def test_a_card_that_is_saved_again_before_the_deletion_keeps_its_token(removed, account, books, monkeypatch):
    new = saved_by(another(account), monkeypatch)
    ask(removed)
    assert (new.state, removed.token_to_delete, removed.deleted_at) == ("active", "", None)
    assert TOKEN.token in books.tokens


def test_a_card_that_is_saved_after_the_deletion_is_a_new_one(removed, account, books, monkeypatch):
    ask(removed)
    assert saved_by(another(account), monkeypatch).state == "active"
    assert TOKEN.token in books.tokens


def test_a_card_that_is_saved_while_its_token_is_deleted_is_not_usable_and_its_token_is_deleted(
    removed, account, books, monkeypatch, caplog
):
    new = saved_by(another(account), monkeypatch, meanwhile=lambda: ask(removed))
    assert (new.state, new.sealed_token) == ("removed", "")
    assert "its token was just being deleted" in caplog.text
    books.tokens[TOKEN.token] = "approve"  # the deletion was first, and the card was kept after it
    ask(let_pass(conf.settling_time, new))
    assert TOKEN.token not in books.tokens


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_deletion_without_an_answer_may_still_arrive_until_it_has_settled(
    removed, account, books, monkeypatch, is_settled
):
    provider_answers(monkeypatch, OutcomeUnknown("no answer"))
    ask(removed)
    if is_settled:
        let_pass(conf.settling_time + timedelta(seconds=1), removed)
    new = saved_by(another(account), monkeypatch)
    assert new.state == ("active" if is_settled else "removed")
    monkeypatch.undo()
    ask(let_pass(conf.settling_time, removed))
    assert (TOKEN.token in books.tokens) == is_settled


def test_an_answer_does_not_settle_an_earlier_request(removed, account, monkeypatch):
    provider_answers(monkeypatch, OutcomeUnknown("no answer"))
    ask(removed)
    monkeypatch.undo()
    assert ask(removed).deleted_at is not None
    assert saved_by(another(account), monkeypatch).state == "removed"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_no_lock_and_no_transaction_is_held_while_the_provider_is_asked(books, monkeypatch):
    card = remove(kept(an_attempt(an_account()), books))
    seen = []
    right = MemoryProvider.delete_token

    @transaction.atomic
    def lock():
        SavedCard.objects.select_for_update(nowait=True).get(pk=card.pk)
        return "locked"

    def look(provider, kept):
        seen.extend([connection.in_atomic_block, *at_once(lock)])
        return right(provider, kept)

    monkeypatch.setattr(MemoryProvider, "delete_token", look)
    assert ask(card).deleted_at is not None
    assert seen == [False, "locked"]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_deletion_waits_for_a_payment_that_is_just_saving_the_token_again(books, monkeypatch):
    account = an_account()
    card = remove(kept(an_attempt(account), books))
    again = another(account)
    asked = provider_answers(monkeypatch, UNDECIDED)
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
