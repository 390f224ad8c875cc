"""The purchase saga, as conversations."""

from typing import Any

import pytest

from checkout.sagas.purchase import INQUIRY_DELAYS, Purchase, PurchaseData
from tests.sagas.conversation import Conversation

CAPTURE = "op_1"


def a_purchase(**changes: Any) -> Conversation:
    data: dict[str, Any] = {
        "payment": "pay_1",
        "attempt": "pay_1-1",
        "minor": 1250,
        "currency": "EUR",
        "email": "shopper@example.com",
        "ip_address": "127.0.0.1",
        "lines": [],
        "captures": True,
        "capture_operation": CAPTURE,
    }
    return Conversation(Purchase(), PurchaseData(**{**data, **changes}))


def an_accepted_purchase(**changes: Any) -> Conversation:
    saga = a_purchase(**changes).asks("risk.assess", minor=1250).answered(decision="accept")
    return saga.asks("orders.reserve").answered(reserved=True).asks("payments.authorise", attempt="pay_1-1")


def test_a_frictionless_purchase_is_captured_booked_confirmed_and_receipted() -> None:
    saga = an_accepted_purchase().answered(outcome="approved")
    saga.asks("payments.capture", operation=CAPTURE, minor=1250, currency="EUR")
    saga.answered(outcome="pending").answers_the_shopper().asks("ledger.post", kind="capture_requested")
    saga.answered().asks("orders.confirm")
    saga.answered().asks("notifications.send_receipt")
    saga.answered().ended("completed")
    assert saga.events == ["authorised", "capture_requested"]


def test_a_shopper_without_an_address_gets_no_receipt() -> None:
    saga = an_accepted_purchase(email="").answered(outcome="approved").answered(outcome="pending")
    saga.answered().asks("orders.confirm").answered().ended("completed")


def test_with_manual_capture_the_purchase_ends_authorised() -> None:
    saga = an_accepted_purchase(captures=False).answered(outcome="approved").answers_the_shopper()
    saga.asks("orders.confirm").answered().answered().ended("completed")
    assert saga.events == ["authorised"]


def test_a_rejected_risk_ends_before_anything_is_reserved_or_sent() -> None:
    saga = a_purchase().answered(decision="reject").answers_the_shopper().ended("compensated")
    assert saga.events == ["refused"]
    assert saga.decision.refusal_reason == "not_permitted"


def test_missing_stock_ends_the_purchase_without_asking_the_provider() -> None:
    saga = a_purchase().answered(decision="accept").answered(reserved=False, missing=["tea"])
    saga.answers_the_shopper().asks("orders.release").answered().ended("compensated")
    assert saga.events == ["refused"]


def test_a_challenge_is_told_to_the_shopper_and_waits_for_the_return() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required")
    saga.answers_the_shopper().waits_for_a_signal().told("challenge_returned")
    saga.asks("payments.complete_challenge").answered(outcome="approved").asks("payments.capture")
    assert saga.events == ["challenge_required", "authorised"]


def test_the_issuer_may_ask_for_a_second_challenge() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").told("challenge_returned")
    saga.answered(outcome="challenge_required").answers_the_shopper().waits_for_a_signal()


def test_a_refusal_releases_the_stock() -> None:
    saga = an_accepted_purchase().answered(outcome="refused", refusal_reason="insufficient_funds")
    assert saga.decision.refusal_reason == "insufficient_funds"
    saga.answers_the_shopper().asks("orders.release").answered().ended("compensated")
    assert saga.events == ["refused"]


@pytest.mark.parametrize("how", ["unknown", "pending", "error", "deadline"])
def test_an_unknown_outcome_is_inquired_and_nothing_is_undone_meanwhile(how: str) -> None:
    saga = an_accepted_purchase()
    if how == "error":
        saga.answered_with_an_error()
    elif how == "deadline":
        saga.waited_too_long()
    else:
        saga.answered(outcome=how)
    saga.answers_the_shopper()
    delays = []
    for _ in range(5):
        saga.asks("payments.inquire")
        assert saga.decision.ask is not None
        delays.append(saga.decision.ask.delay_seconds)
        saga.answered(outcome="unknown")
    assert delays == [5, 15, 45, 120, 600]
    assert set(saga.events) == {"outcome_unknown"}


def test_an_inquiry_that_finds_the_money_goes_on_as_if_nothing_had_happened() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").answered(outcome="approved")
    saga.asks("payments.capture")


def test_an_inquiry_that_finds_nothing_releases_the_stock() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").answered(outcome="not_sent")
    saga.asks("orders.release").answered().ended("compensated")


@pytest.mark.parametrize("signal", ["authorised", "refused", "captured"])
def test_a_notification_is_a_reason_to_ask_the_provider_at_once_and_no_more(signal: str) -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").told(signal).asks("payments.inquire")
    assert saga.decision.ask is not None
    assert saga.decision.ask.delay_seconds == 0
    assert set(saga.events) == {"outcome_unknown"}


def test_a_capture_that_the_service_rejects_gets_a_human_and_is_not_called_pending() -> None:
    saga = an_accepted_purchase().answered(outcome="approved").answered_with_an_error().ended("parked")
    assert saga.events == ["authorised"]


def test_a_captured_notification_that_overtakes_the_reply_counts() -> None:
    an_accepted_purchase().answered(outcome="approved").told("captured").asks("ledger.post")


def test_a_notification_before_the_providers_own_reply_waits_for_it() -> None:
    an_accepted_purchase().ignores("authorised").ignores("refused")


def test_a_provider_that_never_answers_gets_a_human() -> None:
    saga = an_accepted_purchase()
    for _ in range(len(INQUIRY_DELAYS) + 1):
        saga.answered(outcome="unknown")
    saga.ended("parked")


def test_an_abandoned_challenge_asks_the_provider_before_it_expires() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    saga.asks("payments.inquire").answered(outcome="not_sent")
    assert saga.decision.events == ("expired",)
    saga.asks("orders.release").answered().ended("compensated")


def test_an_abandoned_challenge_that_was_paid_after_all_is_paid() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    saga.answered(outcome="approved").asks("payments.capture")


def test_a_capture_that_was_not_sent_is_sent_again_later() -> None:
    saga = an_accepted_purchase().answered(outcome="approved").answered(outcome="not_sent")
    saga.answers_the_shopper().asks("payments.capture", operation=CAPTURE)
    assert saga.decision.ask is not None
    assert saga.decision.ask.delay_seconds == 5


def test_a_capture_of_unknown_outcome_is_not_repeated_but_waits_for_the_provider() -> None:
    saga = an_accepted_purchase().answered(outcome="approved").answered(outcome="unknown")
    saga.answers_the_shopper().waits_for_a_signal().told("captured").asks("ledger.post")


def test_a_mismatch_of_what_was_asked_and_answered_waits_for_staff() -> None:
    saga = an_accepted_purchase().answered(outcome="conflicted").answers_the_shopper().ended("parked")
    assert saga.events == ["conflicted"]


@pytest.mark.parametrize("steps", [1, 2])
def test_captured_money_is_never_undone_by_a_failing_later_step(steps: int) -> None:
    saga = an_accepted_purchase().answered(outcome="approved").answered(outcome="pending")
    for _ in range(steps - 1):
        saga.answered()
    saga.answered_with_an_error().ended("parked")
    assert "refused" not in saga.events


def test_a_service_that_does_not_answer_before_any_money_ends_the_purchase() -> None:
    saga = a_purchase().waited_too_long().answers_the_shopper().asks("orders.release")
    assert saga.events == ["refused"]
    assert saga.decision.attempt_events == ("not_sent",)


@pytest.mark.parametrize("losses", [1, 3])
def test_a_lost_inquiry_is_made_again_and_later(losses: int) -> None:
    saga = an_accepted_purchase().answered(outcome="unknown")
    for delay in INQUIRY_DELAYS[1 : losses + 1]:
        assert saga.decision.wait is not None
        saga.waited_too_long().asks("payments.inquire")
        assert saga.decision.ask is not None
        assert saga.decision.ask.delay_seconds == delay
    saga.answered(outcome="approved").asks("payments.capture")


def test_a_lost_capture_is_asked_for_again_as_the_same_operation_until_a_human_looks() -> None:
    saga = an_accepted_purchase().answered(outcome="approved")
    for _ in INQUIRY_DELAYS:
        assert saga.decision.wait is not None
        saga.waited_too_long().asks("payments.capture", operation=CAPTURE)
    assert saga.events == ["authorised"]
    saga.waited_too_long().ended("parked")
