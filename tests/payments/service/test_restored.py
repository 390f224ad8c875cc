"""After a restore of the database to an earlier moment, no request is made a second time."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from msgspec.structs import replace as with_changes

from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.money import Money
from checkout.payments.actions import doubt_requests, erase_payment, send_unhandled_again
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.messages import InquirePayment
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    InboxMessage,
    Operation,
    OutboxMessage,
    Payment,
    ProviderCall,
    RetentionWalk,
    Saga,
)
from checkout.payments.postings import WALK
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas import service as checkout_service
from checkout.payments.service import service
from checkout.payments.timers.deadlines import enqueue_passed_deadlines
from checkout.states import PaymentState
from messaging.outbox.models import enqueue
from tests.payments.service.asking import (
    authorise,
    inquire_operation,
    let_settle,
    operation_on,
    settle,
    to_authorise,
    to_capture,
    to_inquire,
    to_refund,
)
from tests.payments.service.contradicting import conflicted, envelope_of
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, reply_to, state_of
from tests.support.given_up import give_up
from tests.support.memory_provider.books import Books
from tests.support.memory_provider.order import Manners

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State


@pytest.fixture
def captured(attempt: Attempt, books: Books) -> Attempt:
    """Return a captured attempt at a provider that does not deduplicate, like Worldpay by default."""
    books.manners_for = lambda _code: Manners(deduplicates=False)
    authorise(attempt, "approve")
    operation = operation_on(attempt, Kind.CAPTURE)
    deliver(service, to_capture(operation))
    settle(operation, State.DONE)
    return attempt


def test_a_refund_of_which_the_database_has_forgotten_that_it_was_sent_is_not_sent_again(captured, books):
    operation = operation_on(captured, Kind.REFUND, 300)
    deliver(service, to_refund(operation))
    ProviderCall.objects.filter(key=operation.reference).delete()
    InboxMessage.objects.all().delete()
    Operation.objects.filter(pk=operation.pk).update(state=State.REQUESTED)

    assert doubt_requests() == 1
    assert deliver(service, to_refund(operation)).result["outcome"] == "unknown"
    assert books.orders[captured.order_code].refunded == Money(300, "GBP")
    assert doubt_requests() == 0, "it may be repeated"


def test_a_request_that_was_to_be_sent_again_is_in_doubt_too(captured):
    operation = operation_on(captured, Kind.REFUND, 300)
    ProviderCall.objects.create(
        key=operation.reference, attempt=captured, verb="refund", outcome="not_sent", was_alone=True
    )
    assert doubt_requests() == 1
    call = ProviderCall.objects.get(key=operation.reference)
    assert (call.outcome, call.finished_at, call.was_alone) == ("", None, False)
    assert deliver(service, to_refund(operation)).result["outcome"] == "unknown"


@pytest.mark.parametrize("outcome", ["unknown", ""])
def test_a_request_without_an_outcome_may_have_been_sent_again_since(captured, scenarios, outcome):
    """At the time of the backup, the provider did not show it; it was sent again just now, and accepted."""
    operation = operation_on(captured, Kind.REFUND, 300)
    settle(operation, State.UNKNOWN)
    ProviderCall.objects.create(
        key=operation.reference, attempt=captured, verb="refund", outcome=outcome, was_alone=True
    )
    let_settle(captured)
    scenarios.tell("inquire", kind=EventKind.CAPTURED, position=None)
    assert doubt_requests() == 1
    assert inquire_operation(operation) == "unknown"
    let_settle(captured)
    assert inquire_operation(operation) == "undecided"
    assert doubt_requests() == 0, "it may be repeated"


def test_an_outcome_that_has_come_meanwhile_is_kept(captured, monkeypatch):
    """A service that was not stopped sends the request again at that time, and has its answer at once."""
    operation = operation_on(captured, Kind.REFUND, 300)
    call = ProviderCall.objects.create(
        key=operation.reference, attempt=captured, verb="refund", outcome="not_sent", was_alone=True
    )

    def read(**_: Any) -> tuple[ProviderCall, bool]:
        ProviderCall.objects.filter(pk=call.pk).update(outcome="approved")
        return call, False

    monkeypatch.setattr(ProviderCall.objects, "get_or_create", read)
    assert doubt_requests() == 0
    assert ProviderCall.objects.get(pk=call.pk).outcome == "approved"


def test_what_has_an_outcome_is_not_in_doubt(captured):
    assert doubt_requests() == 0


def test_an_authorisation_is_asked_about_and_not_given_up_for_want_of_a_card(attempt, books):
    authorise(attempt, "approve")
    ProviderCall.objects.all().delete()
    InboxMessage.objects.all().delete()
    Attempt.objects.update(state=Attempt.State.CREATED)
    attempt.refresh_from_db()

    assert doubt_requests() == 1
    assert deliver(service, to_authorise(attempt, "")).result["outcome"] == "unknown"
    attempt.refresh_from_db()
    assert attempt.state == Attempt.State.UNKNOWN
    assert deliver(service, to_inquire(attempt)).result["outcome"] == "approved"


@pytest.mark.parametrize(
    "answers", [[], [{"decision": "accept"}], [{"decision": "accept"}, {"reserved": True}]]
)
def test_the_purchase_asks_the_provider_also_if_the_broker_has_its_question_no_more(
    attempt, books, answers: list[dict[str, Any]]
):
    """After the moment of the backup, the services had answered, and the provider had authorised."""
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(checkout_service.service, command(body, sealed="approve"))
    saga = Saga.objects.get()
    for answer in answers:
        answered(saga, **answer)
    authorise(attempt, "approve")
    ProviderCall.objects.all().delete()
    InboxMessage.objects.all().delete()
    OutboxMessage.objects.all().delete()
    Attempt.objects.update(state=Attempt.State.CREATED)

    assert (doubt_requests(), doubt_requests()) == (1, 0)
    Saga.objects.update(deadline_at=timezone.now())
    assert enqueue_passed_deadlines() == 1
    passed = envelope_of(OutboxMessage.objects.get(type="checkout.pass_deadline"))
    deliver(checkout_service.service, passed)
    asked = OutboxMessage.objects.get(type=InquirePayment.to)
    inquired = deliver(service, with_changes(asked.envelope(), reply_to="test.replies.saga"))
    assert inquired.result["outcome"] == "approved"
    reply_to(saga, inquired.reply)
    saga.refresh_from_db()
    assert (saga.step, state_of(attempt)) == ("capture", "confirming")


def test_a_returned_challenge_is_asked_about(attempt):
    conflicted(attempt, Attempt.State.CHALLENGE_RETURNED)
    assert doubt_requests() == 1
    assert ProviderCall.objects.get().key == f"{attempt.order_code}:challenge:{attempt.challenge_count}"


def test_a_capture_that_is_a_part_of_the_authorisation_has_no_request(attempt):
    operation = operation_on(attempt, Kind.CAPTURE)
    Attempt.objects.update(capture_reference=operation.reference, state=Attempt.State.AUTHORISED)
    assert doubt_requests() == 0


def told(name: str, *, service: str = "ledger", minutes_ago: int = 10) -> OutboxMessage:
    """Return a posting that was published some minutes ago."""
    command = PostEntries(payment="pay_1", kind="captured", reference=name, minor=100, currency="GBP")
    row = enqueue(OutboxMessage, service, command.to, command, subject="pay_1", delay_seconds=0)
    then = timezone.now() - timedelta(minutes=minutes_ago)
    found = OutboxMessage.objects.filter(message_id=row.message_id)
    found.update(created_at=then, published_at=then)
    return found.get()


def handle(row: OutboxMessage, *, database: str = "default", by: str = "ledger") -> None:
    """Let the service's inbox know this message."""
    now = timezone.now()
    InboxMessage.objects.using(database).create(
        message_id=row.message_id, subject=row.subject, consumer=by, received_at=now, handled_at=now
    )


def is_to_be_published(row: OutboxMessage) -> bool:
    return OutboxMessage.objects.get(pk=row.pk).published_at is None


def test_only_what_a_restored_database_has_forgotten_is_sent_again():
    since = timezone.now() - timedelta(hours=1)
    forgotten, order = told("forgotten"), told("order", service="orders")
    handled, dead, older, elsewhere = (
        told("handled"),
        told("dead"),
        told("older", minutes_ago=90),
        told("elsewhere", service="notifications"),
    )
    handle(handled)
    DeadLetter.objects.create(fingerprint="1", message_id=dead.message_id, type=dead.type, body="{}")

    assert send_unhandled_again(since) == 2
    again = [row for row in (forgotten, order, handled, dead, older, elsewhere) if is_to_be_published(row)]
    assert again == [forgotten, order]


def test_what_was_given_up_is_left_to_staff_and_what_is_sent_again_is_tried_as_often_as_before():
    given_up, forgotten = told("given up"), told("forgotten")
    give_up(given_up)
    OutboxMessage.objects.filter(pk=forgotten.pk).update(rejections=3, given_up_at=timezone.now())
    assert send_unhandled_again(timezone.now() - timedelta(hours=1)) == 1
    assert not is_to_be_published(given_up)
    forgotten.refresh_from_db()
    assert (forgotten.published_at, forgotten.rejections, forgotten.given_up_at) == (None, 0, None)


def test_what_a_ledger_has_forgotten_of_an_erased_payment_is_sent_again(attempt):
    """The books need the posting, and it contains nothing of the shopper."""
    Payment.objects.update(state=PaymentState.CAPTURED)
    payment = attempt.payment.reference
    command = PostEntries(payment=payment, kind="captured", reference="op_1", minor=100, currency="GBP")
    row = enqueue(OutboxMessage, "ledger", command.to, command, subject=payment, delay_seconds=0)
    enqueue(OutboxMessage, "notifications", "test.mail", command, subject=payment, delay_seconds=0)
    for sent in OutboxMessage.objects.all():
        handle(sent, by=sent.routing_key)
    OutboxMessage.objects.update(published_at=timezone.now())
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            posting=command.name,
            account=account,
            payment_reference=payment,
            amount_minor=minor,
            currency="GBP",
        )
        for account, minor in (("a", 100), ("b", -100))
    )
    erase_payment(payment, by="ada", reason="She asked.")
    assert OutboxMessage.objects.get(subject=payment).message_id == row.message_id
    InboxMessage.objects.all().delete()
    assert send_unhandled_again(timezone.now() - timedelta(hours=1)) == 1


def test_what_is_sent_again_and_lost_again_is_looked_for():
    """The timer that looks for missing postings has passed this one long ago."""
    told("older", minutes_ago=90)
    row, later = told("forgotten"), told("later")
    RetentionWalk.objects.create(table=WALK, last_pk=later.pk)
    assert send_unhandled_again(timezone.now() - timedelta(hours=1)) == 2
    assert RetentionWalk.objects.get(table=WALK).last_pk == row.pk - 1
    handle(row)
    handle(later)
    assert send_unhandled_again(timezone.now() - timedelta(hours=1)) == 0
    assert RetentionWalk.objects.get(table=WALK).last_pk == row.pk - 1


def test_what_staff_had_sent_again_is_sent_again_as_well():
    """Staff cannot send it a second time."""
    row = told("died, and was handled then")
    DeadLetter.objects.create(
        fingerprint="1", message_id=row.message_id, type=row.type, body="{}", requeued_at=timezone.now()
    )
    assert send_unhandled_again(timezone.now() - timedelta(hours=1)) == 1


def test_what_is_so_old_that_no_inbox_remembers_it_is_not_sent_again(settings):
    settings.CHECKOUT_RETENTION_SECONDS = 3600
    told("forgotten by the inbox, and not yet by the outbox", minutes_ago=61)
    assert send_unhandled_again(timezone.now() - timedelta(days=365)) == 0


def test_a_service_with_a_database_of_its_own_is_asked_there(own_database):
    own_database("ledger")
    row = told("op_1")
    handle(row)
    assert send_unhandled_again(timezone.now() - timedelta(hours=1)) == 1
    OutboxMessage.objects.update(published_at=timezone.now())
    handle(row, database="ledger")
    assert send_unhandled_again(timezone.now() - timedelta(hours=1)) == 0


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        ("noon", "no time in ISO 8601"),
        ("2999-01-01T00:00Z", "has not come yet"),
        # PostgreSQL reads a recovery_target_time without a zone in its own zone.
        ("2026-07-01T12:00", "offset"),
        ("2026-07-01", "offset"),
    ],
)
def test_the_command_refuses_a_moment_that_cannot_be(moment, why):
    with pytest.raises(CommandError, match=why):
        call_command("gateway", "after-restore", "--moment", moment)


def test_the_command_says_what_it_did():
    told("forgotten")
    output = StringIO()
    call_command("gateway", "after-restore", "--moment", timezone.now().isoformat(), stdout=output)
    assert "1 command to orders and ledger is sent again" in output.getvalue()
