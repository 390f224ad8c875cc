"""The tail shows each record once, in the order of time, and takes no lock."""

import json
import os
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from checkout.management.gateway.records import Record, Sources
from checkout.payments.models import Attempt, Fact, InboxMessage, OutboxMessage, ProviderCall
from messaging.outbox.models import enqueue
from tests.management.gateway.conftest import Gateway
from tests.payments.service.conftest import an_account, an_attempt

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt() -> Attempt:
    return an_attempt(an_account())


def new(sources: Sources) -> list[Record]:
    records, away = sources.new()
    assert not away
    return records


def test_what_happens_is_told_once(attempt: Attempt):
    Fact.objects.create(payment=attempt.payment, source="shopper", kind="before")
    sources = Sources()
    assert new(sources) == []
    Fact.objects.create(payment=attempt.payment, source="saga", kind="refused", data={"why": "stock"})
    row = enqueue(OutboxMessage, "risk", "risk.assess", {}, subject=attempt.payment.reference)
    InboxMessage.objects.create(
        consumer="risk", message_id=row.message_id, type=row.type, received_at=timezone.now()
    )
    told = [(record.kind, record.what, record.detail) for record in new(sources)]
    assert told == [
        ("fact", "refused", "by saga why=stock"),
        ("send", "risk.assess", row.message_id),
        ("handle", "risk.assess", "by risk"),
    ]
    assert new(sources) == []


def test_a_call_is_told_when_it_begins_and_when_it_ends(attempt: Attempt):
    sources = Sources()
    call = ProviderCall.objects.create(attempt=attempt, key="1", verb="authorise")
    assert [record.kind for record in new(sources)] == ["call"]
    call.finished_at, call.outcome = timezone.now(), "approved"
    call.save()
    assert [(record.kind, record.detail) for record in new(sources)] == [("answer", "approved")]


def test_a_row_that_is_committed_after_a_later_one_is_not_missed(attempt: Attempt):
    early = Fact.objects.create(payment=attempt.payment, source="saga", kind="early")
    sources = Sources()
    Fact.objects.bulk_create([Fact(pk=early.pk + 9, payment=attempt.payment, source="saga", kind="later")])
    assert [record.what for record in new(sources)] == ["later"]
    Fact.objects.bulk_create([Fact(pk=early.pk + 5, payment=attempt.payment, source="saga", kind="late")])
    assert [record.what for record in new(sources)] == ["late"]


def test_one_payment_is_told_from_its_beginning(gateway: Gateway, attempt: Attempt):
    Fact.objects.create(payment=attempt.payment, source="shopper", kind="created")
    reference = attempt.payment.reference
    _, output = gateway("tail", "--payment", reference, "--seconds", "0")
    _, line = output.splitlines()
    assert line.split()[1:] == [reference[:10], "fact", "created", "by", "shopper"]
    _, output = gateway("tail", "--payment", reference, "--seconds", "0", "--json")
    assert json.loads(output)["payment"] == reference


def test_the_day_is_told_where_it_changes(gateway: Gateway, attempt: Attempt):
    """Two times of day do not say that a refund came a year and a half after its payment."""
    for kind, day, hour in (("paid", 14, 9), ("captured", 14, 23), ("refunded", 15, 9)):
        at = datetime(2025, 5, day, hour, tzinfo=UTC)
        Fact.objects.create(payment=attempt.payment, source="saga", kind=kind, recorded_at=at)
    _, output = gateway("tail", "--payment", attempt.payment.reference, "--seconds", "0")
    lines = [line.split() for line in output.splitlines()]
    told = [line[3] if len(line) > 3 else line[0] for line in lines]
    assert told == ["2025-05-14", "paid", "captured", "2025-05-15", "refunded"]


def test_a_time_that_would_never_end_is_refused(gateway: Gateway):
    with pytest.raises(CommandError, match="invalid seconds value"):
        gateway("tail", "--seconds", "nan")


def test_an_unknown_payment_is_refused(gateway: Gateway):
    with pytest.raises(CommandError, match="There is no payment pay_unknown"):
        gateway("tail", "--payment", "pay_unknown", "--seconds", "0")


def test_a_pipe_gets_each_line_when_it_happens(attempt: Attempt):
    Fact.objects.create(payment=attempt.payment, source="shopper", kind="created")
    reading, writing = os.pipe()
    with open(reading) as reader, open(writing, "w") as pipe:  # buffered, as stdout is in a pipe
        call_command("gateway", "tail", "--payment", attempt.payment.reference, "--seconds=0", stdout=pipe)
        os.set_blocking(reading, False)
        assert "created" in reader.read()


def test_a_database_that_is_away_holds_up_no_other_and_loses_nothing(attempt: Attempt, own_database):
    own_database.empty("ledger")
    sources = Sources()
    assert sources.new()[1].keys() == {"ledger"}
    Fact.objects.create(payment=attempt.payment, source="saga", kind="captured")
    records, away = sources.new()
    assert [record.what for record in records] == ["captured"]
    assert away.keys() == {"ledger"}
    call_command("migrate", database="ledger", verbosity=0)
    assert new(sources) == []
    row = {"message_id": "m-1", "type": "ledger.post", "received_at": timezone.now()}
    InboxMessage.objects.using("ledger").create(consumer="ledger", **row)
    assert [record.detail for record in new(sources)] == ["by ledger, in ledger"]


def test_what_was_recorded_just_before_a_database_went_away_is_told(attempt: Attempt, own_database):
    own_database("ledger")
    sources = Sources()
    row = {"message_id": "m-1", "type": "ledger.post", "received_at": timezone.now()}
    InboxMessage.objects.using("ledger").create(consumer="ledger", **row)
    Fact.objects.create(payment=attempt.payment, source="saga", kind="captured")
    table = InboxMessage._meta.db_table
    with connections["ledger"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
    assert [record.what for record in sources.new()[0]] == ["captured"]
    with connections["ledger"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE away RENAME TO {table}")
    assert [record.what for record in new(sources)] == ["ledger.post"]
