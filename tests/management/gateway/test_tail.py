"""The tail shows what is recorded, once, in the order of time, and takes no lock."""

import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError
from django.utils import timezone

from checkout.management.gateway.records import Sources
from checkout.payments.models import Attempt, Fact, InboxMessage, OutboxMessage, ProviderCall
from messaging.outbox.models import enqueue
from tests.management.gateway.conftest import Gateway
from tests.payments.service.conftest import an_account, an_attempt

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt() -> Attempt:
    return an_attempt(an_account())


def test_what_happens_is_told_once(attempt: Attempt):
    Fact.objects.create(payment=attempt.payment, source="shopper", kind="before")
    sources = Sources()
    assert sources.new() == []
    Fact.objects.create(payment=attempt.payment, source="saga", kind="refused", data={"why": "stock"})
    row = enqueue(OutboxMessage, "risk", "risk.assess", {}, subject=attempt.payment.reference)
    InboxMessage.objects.create(
        consumer="risk", message_id=row.message_id, type=row.type, received_at=timezone.now()
    )
    told = [(record.kind, record.what, record.detail) for record in sources.new()]
    assert told == [
        ("fact", "refused", "by saga why=stock"),
        ("send", "risk.assess", row.message_id),
        ("handle", "risk.assess", "by risk"),
    ]
    assert sources.new() == []


def test_a_call_is_told_when_it_begins_and_when_it_ends(attempt: Attempt):
    sources = Sources()
    call = ProviderCall.objects.create(attempt=attempt, key="1", verb="authorise")
    assert [record.kind for record in sources.new()] == ["call"]
    call.finished_at, call.outcome = timezone.now(), "approved"
    call.save()
    assert [(record.kind, record.detail) for record in sources.new()] == [("answer", "approved")]


def test_a_row_that_is_committed_after_a_later_one_is_not_missed(attempt: Attempt):
    early = Fact.objects.create(payment=attempt.payment, source="saga", kind="early")
    sources = Sources()
    Fact.objects.bulk_create([Fact(pk=early.pk + 9, payment=attempt.payment, source="saga", kind="later")])
    assert [record.what for record in sources.new()] == ["later"]
    Fact.objects.bulk_create([Fact(pk=early.pk + 5, payment=attempt.payment, source="saga", kind="late")])
    assert [record.what for record in sources.new()] == ["late"]


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


def test_an_unknown_payment_is_refused(gateway: Gateway):
    with pytest.raises(CommandError, match="There is no payment pay_unknown"):
        gateway("tail", "--payment", "pay_unknown", "--seconds", "0")
