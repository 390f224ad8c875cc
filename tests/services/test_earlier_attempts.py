"""What a provider tells of an attempt that another one has followed."""

from dataclasses import asdict

import pytest

from checkout.commands import ApplyProviderEvent
from checkout.models import Attempt, LedgerEntry, Operation, Payment
from checkout.providers.base import Browser
from checkout.services.checkout import service
from tests.services.delivering import command, deliver

pytestmark = pytest.mark.django_db


@pytest.fixture
def next_attempt(attempt: Attempt) -> Attempt:
    """The one that the payment now stands for; ``attempt`` was refused."""
    Attempt.objects.filter(pk=attempt.pk).update(state=Attempt.State.REFUSED)
    browser = Browser(accept_header="text/html", user_agent="Test", ip_address="192.0.2.7")
    later = Attempt.objects.create(
        payment=attempt.payment,
        number=2,
        provider_account=attempt.provider_account,
        order_code=f"{attempt.payment.reference}-2",
        session_id="another-session",
        browser=asdict(browser),
        state=Attempt.State.AUTHORISED,
    )
    later.operations.create(
        payment=attempt.payment,
        kind=Operation.Kind.CAPTURE,
        amount_minor=attempt.payment.amount_minor,
        currency=attempt.payment.currency,
    )
    return later


def state_after(kind: str, attempt: Attempt, before: str) -> str:
    Payment.objects.filter(pk=attempt.payment_id).update(state=before)
    told = ApplyProviderEvent(payment=attempt.payment.reference, attempt=attempt.order_code, kind=kind)
    sent = deliver(service, command("checkout.apply_provider_event", told)).commands
    assert ("ledger.post" in [envelope.type for envelope in sent]) == (
        kind in ("captured", "refunded") and attempt.number == 2
    )
    assert not LedgerEntry.objects.exists()
    return Payment.objects.get(pk=attempt.payment_id).state


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("cancelled", "authorised", "voided"),
        ("captured", "capture_pending", "captured"),
        ("refunded", "captured", "refunded"),
        ("charged_back", "captured", "charged_back"),
    ],
)
def test_only_the_latest_attempt_moves_the_payment(
    attempt: Attempt, next_attempt: Attempt, kind: str, before: str, after: str
) -> None:
    assert state_after(kind, attempt, before) == before
    assert state_after(kind, next_attempt, before) == after


def test_a_capture_that_nobody_asked_for_is_written_down_and_not_taken_as_one(attempt: Attempt) -> None:
    told = ApplyProviderEvent(payment=attempt.payment.reference, attempt=attempt.order_code, kind="captured")
    Payment.objects.filter(pk=attempt.payment_id).update(state="authorised")
    assert deliver(service, command("checkout.apply_provider_event", told)).commands == []
    assert Payment.objects.get(pk=attempt.payment_id).state == "authorised"
    assert attempt.payment.facts.filter(kind="captured_unasked_not_applied").exists()


def test_a_partial_refund_is_not_a_full_one(attempt: Attempt) -> None:
    told = ApplyProviderEvent(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        kind="refunded",
        minor=attempt.payment.amount_minor - 1,
        currency=attempt.payment.currency,
    )
    Payment.objects.filter(pk=attempt.payment_id).update(state="captured")
    sent = deliver(service, command("checkout.apply_provider_event", told)).commands
    assert "ledger.post" in [envelope.type for envelope in sent]
    assert Payment.objects.get(pk=attempt.payment_id).state == "partially_refunded"


def test_an_earlier_attempt_that_was_authorised_after_all_is_for_staff(
    attempt: Attempt, next_attempt: Attempt
) -> None:
    assert state_after("conflicted", attempt, "authorised") == "conflicted"
