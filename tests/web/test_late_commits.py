"""If the answer to a COMMIT is lost and the shopper's time is over, the action is repeated once."""

import psycopg
import pytest
from django.db import OperationalError

from checkout.payments.actions import Pending
from checkout.payments.models import Attempt, OutboxMessage, Payment
from checkout.states import PaymentState
from checkout.web import held_tier, pending_publishes
from messaging.concurrency.database import in_thread
from messaging.memory.server import MemoryServer
from tests.flows.shopping import eventually, state_of, submit
from tests.support.memory_provider.books import Books
from tests.web.test_pending_publishes import broker_away

__all__ = ["broker_away"]


class LostCommit:
    """A submission whose COMMIT is carried out by a server that then does not answer."""

    def __init__(self, payment: Payment, *, losses: int = 1) -> None:
        self._reference, self._losses = payment.reference, losses
        self.calls = 0

    def __call__(self, message_id: str) -> Pending:
        pending = submit(self._reference, message_id=message_id)
        self.calls += 1
        if self.calls <= self._losses:
            raise OperationalError("no answer") from psycopg.OperationalError("no answer")
        return pending


async def test_the_card_is_passed_on_although_the_time_is_over(
    back_end: None, payment: Payment, books: Books
) -> None:
    commit = LostCommit(payment)
    assert await held_tier.commit_and_answer("approve", 0, commit) is None
    await eventually(state_of(payment), PaymentState.CAPTURE_PENDING)
    assert len(books.orders) == 1
    assert await in_thread(Attempt.objects.count) == 1


async def test_it_is_asked_for_only_once_more(back_end: None, payment: Payment) -> None:
    commit = LostCommit(payment, losses=9)
    with pytest.raises(OperationalError):
        await held_tier.commit_and_answer("approve", 0, commit)
    assert commit.calls == 2


async def test_a_database_that_was_never_reached_has_committed_nothing(
    back_end: None, payment: Payment
) -> None:
    calls: list[str] = []

    def find_no_database(message_id: str) -> Pending:
        calls.append(message_id)
        raise OperationalError("every database thread waits for the database")

    with pytest.raises(OperationalError):
        await held_tier.commit_and_answer("approve", 0, find_no_database)
    assert len(calls) == 1


async def test_the_time_of_a_kept_card_counts_from_the_first_try(
    broker_away: MemoryServer, payment: Payment, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Over since the first attempt, which may have committed the submission, and not since the second.
    monkeypatch.setattr(pending_publishes, "KEPT_SECONDS", held_tier.DATABASE_PAUSE_SECONDS)
    assert await held_tier.commit_and_answer("approve", 0, LostCommit(payment)) is None
    broker_away.resume()
    await pending_publishes.flush()
    await in_thread(OutboxMessage.objects.update, available_at="2020-01-01T00:00Z")
    await eventually(state_of(payment), PaymentState.REFUSED)
    assert not books.orders
