"""Double entry: every posting adds up to zero, is made once and never changed."""

import pytest
from django.db import IntegrityError
from django.db.models import Sum

from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import ACCOUNTS, service
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


def test_an_entry_cannot_be_changed():
    post("captured")
    entry = LedgerEntry.objects.earliest("pk")
    entry.amount_minor = 1
    with pytest.raises(IntegrityError):
        entry.save()
