"""Double entry: every posting adds up to zero, is made once and never changed."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import pytest
import time_machine
from django.db import IntegrityError
from django.db.models import Sum
from django.utils import timezone
from msgspec.structs import replace

from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import ACCOUNTS, service
from checkout.payments.models import InboxMessage
from messaging.worker.service import CommandRejected
from tests.payments.service.delivering import Delivered, command, deliver

pytestmark = pytest.mark.django_db


def post(kind: str, *, reference: str = "op_1", minor: int = 1250, payment: str = "pay_1") -> Delivered:
    body = PostEntries(payment=payment, kind=kind, reference=reference, minor=minor, currency="GBP")
    return deliver(service, command(body))


def balances() -> dict[str, int]:
    accounts = LedgerEntry.objects.order_by("account").values_list("account").annotate(Sum("amount_minor"))
    return {account: minor for account, minor in accounts if minor}


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_both_sides_of_a_posting_add_up_to_zero(kind):
    assert post(kind).reply.ok
    assert sorted(LedgerEntry.objects.values_list("amount_minor", flat=True)) == [-1250, 1250]


def test_both_sides_of_a_posting_are_of_one_moment():
    post("refunded")
    assert len(set(LedgerEntry.objects.values_list("posted_at", flat=True))) == 1


@pytest.mark.postgresql
@pytest.mark.parametrize("days", [40, -40])
def test_a_posting_is_of_the_day_by_the_database_whatever_the_clock_of_its_process_says(days: int):
    """A posting could otherwise be in a month that was closed long ago, or be missing in its own month."""
    before = timezone.now()
    with time_machine.travel(before + timedelta(days=days)):
        assert post("captured").reply.ok
    [at] = set(LedgerEntry.objects.values_list("posted_at", flat=True))
    assert before - timedelta(minutes=5) < at < before + timedelta(minutes=5)


def test_a_captured_payment_is_a_claim_on_the_provider_and_a_debt_to_the_merchant():
    post("capture_requested")
    assert balances() == {"merchant:payable": -1250, "provider:in_process": 1250}
    post("captured")
    assert balances() == {"merchant:payable": -1250, "provider:captured": 1250}
    post("refunded", minor=250)
    assert balances() == {"merchant:payable": -1000, "provider:captured": 1000}


def test_a_reversal_undoes_a_capture_that_was_refused():
    post("capture_requested")
    post("reversal")
    assert balances() == {}
    assert LedgerEntry.objects.count() == 4


def test_a_charge_back_takes_from_the_merchant_and_its_reversal_returns_it():
    post("capture_requested")
    post("captured")
    post("charged_back", reference="op_2", minor=300)
    assert balances() == {"merchant:payable": -950, "provider:captured": 950}
    post("charge_back_reversed", reference="op_3", minor=300)
    assert balances() == {"merchant:payable": -1250, "provider:captured": 1250}


def test_the_same_posting_twice_is_made_once():
    post("captured")
    assert post("captured").reply.ok
    assert LedgerEntry.objects.count() == 2


@pytest.mark.parametrize("change", [{"minor": 1}, {"payment": "pay_2"}])
def test_the_same_posting_with_other_entries_is_an_error(change):
    post("captured")
    assert post("captured", **change).reply.error.code == "posting_exists"
    assert LedgerEntry.objects.count() == 2


def test_an_unknown_kind_is_an_error():
    assert post("gift").reply.error.code == "unknown_kind"


def test_nothing_is_posted_with_an_amount_that_is_not_above_zero():
    assert post("captured", minor=0).reply.error.code == "invalid_amount"
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize("order", [*permutations(["capture_requested", "captured", "capture_returned"])])
def test_postings_have_the_same_sums_in_any_order(order: Sequence[str]):
    """Copies of the service may make postings in another order than that of the sagas' commands."""
    for kind in order:
        post(kind)
    assert balances() == {}
    assert LedgerEntry.objects.count() == 6


@pytest.mark.parametrize(("kind", "minor"), [("gift", 1250), ("captured", 0), ("captured", 1)])
def test_a_posting_that_is_told_and_cannot_be_made_is_not_taken_for_handled(kind: str, minor: int):
    """The worker makes its command a dead letter."""
    post("captured")
    body = PostEntries(payment="pay_1", kind=kind, reference="op_1", minor=minor, currency="GBP")
    told = replace(command(body), reply_to="")
    with pytest.raises(CommandRejected):
        deliver(service, told)
    assert not InboxMessage.objects.filter(message_id=told.message_id).exists()
    assert LedgerEntry.objects.count() == 2


def test_an_entry_cannot_be_changed():
    post("captured")
    entry = LedgerEntry.objects.earliest("pk")
    entry.amount_minor = 1
    with pytest.raises(IntegrityError):
        entry.save()
