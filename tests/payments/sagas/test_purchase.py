"""The purchase saga, as conversations."""

from typing import Any

import msgspec
import pytest

from checkout.conf import conf
from checkout.payments.sagas.purchase.data import PurchaseData
from checkout.payments.sagas.purchase.flow import Purchase
from tests.payments.sagas.conversation import Conversation

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


def an_authorised_purchase(**changes: Any) -> Conversation:
    return an_accepted_purchase(**changes).answered(outcome="approved").starts("capture", operation=CAPTURE)


def test_a_frictionless_purchase_is_captured_confirmed_and_receipted() -> None:
    saga = an_accepted_purchase().answered(outcome="approved")
    saga.starts("capture", operation=CAPTURE, minor=1250, currency="EUR", attempt="pay_1-1")
    assert saga.events == [], "there is no good news before the capture is accepted"
    saga.told("capture_accepted").answers_the_shopper().asks("orders.confirm")
    assert saga.decision.recalculate
    saga.tells_nothing().answered().ended("completed")
    told = {"payment": "pay_1", "email": "shopper@example.com", "minor": 1250, "is_reserved": False}
    assert saga.tells("notifications.send_receipt", **told).events == ["authorised"]


@pytest.mark.parametrize("is_included", [True, False])
def test_the_capture_is_told_if_the_provider_makes_it_with_the_authorisation(is_included: bool) -> None:
    saga = an_authorised_purchase(is_capture_included=is_included)
    saga.starts("capture", is_included=is_included)


def test_a_shopper_without_an_address_gets_no_receipt() -> None:
    saga = an_authorised_purchase(email="").told("capture_accepted")
    saga.asks("orders.confirm").answered().ended("completed").tells_nothing()


def test_with_manual_capture_the_purchase_ends_authorised() -> None:
    saga = an_accepted_purchase(captures=False).answered(outcome="approved").answers_the_shopper()
    saga.asks("orders.confirm").answered().tells("notifications.send_receipt", is_reserved=True)
    assert saga.ended("completed").events == ["authorised"]


def test_a_purchase_without_its_card_ends_before_it_begins() -> None:
    saga = a_purchase(has_card=False).answers_the_shopper().ended("compensated")
    assert (saga.events, saga.decision.attempt_transitions) == (["refused"], ("not_sent",))
    assert saga.decision.refusal_reason == "card_not_received"


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
    saga.asks("payments.complete_challenge").answered(outcome="approved").starts("capture")
    assert saga.events == ["challenge_required"]


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
    assert delays == [5, 15, 45, 120, 300]
    assert set(saga.events) == {"outcome_unknown"}


def test_an_inquiry_that_finds_the_money_goes_on_as_if_nothing_had_happened() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").answered(outcome="approved")
    saga.starts("capture")


def test_an_inquiry_that_finds_nothing_releases_the_stock() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").answered(outcome="not_sent")
    saga.asks("orders.release").answered().ended("compensated")


@pytest.mark.parametrize("signal", ["authorised", "refused", "captured"])
def test_a_notification_is_a_reason_to_ask_the_provider_at_once_and_no_more(signal: str) -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").told(signal).asks("payments.inquire")
    saga.after(0)
    assert set(saga.events) == {"outcome_unknown"}


def test_notifications_do_not_use_up_the_patience_of_a_purchase() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown")
    for _ in range(1000):
        saga.told("authorised")
    saga.answered(outcome="unknown").asks("payments.inquire").after(15)


def test_a_hint_makes_a_purchase_ask_at_once_and_another_starts_no_second_question() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").asks("payments.inquire").after(5)
    saga.told("hinted").asks("payments.inquire").after(0)
    for _ in range(25):
        saga.ignores("hinted")
    saga.answered(outcome="approved").starts("capture")


def test_hints_neither_use_up_the_patience_of_a_purchase_nor_make_it_ask_more_than_twice_as_often() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown")
    for delay in conf.inquiry_delays:
        saga.asks("payments.inquire").after(delay)
        saga.told("hinted").after(0).answered(outcome="unknown")
        saga.asks("payments.inquire").after(delay).ignores("hinted")
        saga.answered(outcome="unknown")
    saga.ended("parked").ignores("hinted")
    saga.resumed().after(conf.inquiry_delays[0]).told("hinted").asks("payments.inquire").after(0)


@pytest.mark.parametrize("step", ["assess_risk", "authorise"])
def test_a_hint_means_nothing_to_a_purchase_that_waits_for_an_answer(step: str) -> None:
    saga = a_purchase() if step == "assess_risk" else an_accepted_purchase()
    saga.ignores("hinted")


def test_a_capture_that_a_human_must_look_at_stops_the_purchase_until_it_goes_on() -> None:
    saga = an_authorised_purchase().told("capture_parked").answers_the_shopper().ended("parked")
    assert saga.events == ["outcome_unknown"]
    saga.told("capture_accepted").asks("orders.confirm")
    assert saga.events == ["outcome_unknown", "authorised"]


def test_a_parked_purchase_takes_its_capture_up_again_when_resumed() -> None:
    an_authorised_purchase().told("capture_parked").resumed().starts("capture", operation=CAPTURE)


def test_a_refused_capture_gives_back_the_authorisation_and_then_the_stock() -> None:
    saga = an_authorised_purchase().told("capture_refused").starts("void", operation=f"{CAPTURE}-void")
    assert saga.decision.ask is None
    saga.told("void_accepted").answers_the_shopper().waits_for_a_signal()
    saga.told("void_done").answers_the_shopper().asks("orders.release")
    saga.answered().ended("compensated")
    assert saga.events == ["void_requested", "voided"]


def test_stock_is_not_given_back_while_the_authorisation_may_be_held() -> None:
    saga = an_authorised_purchase().told("capture_refused").told("void_delayed").answers_the_shopper()
    saga.told("void_refused").ended("parked")
    assert set(saga.events) == {"outcome_unknown"}, "it is neither paid nor given back"
    saga.told("void_done").asks("orders.release")


def test_a_void_that_was_refused_is_asked_for_anew_when_resumed() -> None:
    saga = an_authorised_purchase().told("capture_refused").told("void_refused").ended("parked")
    saga.resumed().starts("void", operation=f"{CAPTURE}-v1")
    saga.told("void_refused").resumed().starts("void", operation=f"{CAPTURE}-v2")
    saga.told("void_done").asks("orders.release")


def test_a_parked_void_is_taken_up_again_when_resumed() -> None:
    saga = an_authorised_purchase().told("capture_refused").told("void_parked").ended("parked")
    saga.resumed().starts("void", operation=f"{CAPTURE}-void")


def test_a_capture_that_is_refused_after_the_order_was_confirmed_is_for_staff() -> None:
    saga = an_authorised_purchase(email="").told("capture_accepted").answered().ended("completed")
    saga.told("capture_refused").ended("parked")
    assert saga.decision.step == "unpaid"
    saga.resumed().ended("completed")


def test_a_capture_refused_while_the_order_is_being_confirmed_is_for_staff_and_gets_no_receipt() -> None:
    saga = an_authorised_purchase().told("capture_accepted").asks("orders.confirm")
    saga.told("capture_refused").waits_for_a_signal().waited_too_long().asks("orders.confirm")
    saga.answered().ended("parked")
    assert saga.decision.step == "unpaid"
    saga.resumed().ended("completed")
    assert saga.owed == []


@pytest.mark.parametrize("steps", [0, 1])
def test_an_order_whose_authorisation_is_voided_is_called_off_at_any_step(steps: int) -> None:
    saga = an_accepted_purchase(captures=False).answered(outcome="approved")
    for _ in range(steps):
        saga.answered()
    saga.ignores("void_accepted").ignores("void_refused").told("void_done").asks("orders.cancel")
    saga.waited_too_long().answered_with_an_error().asks("orders.cancel")
    saga.answered().ended("compensated").ignores("void_done")


def test_an_order_that_turned_out_to_be_unpaid_is_called_off_when_staff_void_it() -> None:
    saga = an_authorised_purchase(email="").told("capture_accepted").answered().told("capture_refused")
    saga.ended("parked").told("void_done").asks("orders.cancel")


def test_stock_that_cannot_be_given_back_is_tried_for_ever_and_reported() -> None:
    saga = an_accepted_purchase().answered(outcome="refused")
    for delay in (*conf.retry_delays, conf.retry_delays[-1]):
        saga.answered_with_an_error().asks("orders.release").after(delay)
    assert saga.decision.is_overdue
    saga.answered().ended("compensated")


def test_a_release_after_another_attempt_has_confirmed_the_order_has_nothing_to_give_back() -> None:
    saga = an_accepted_purchase().answered(outcome="refused").asks("orders.release")
    saga.answered_with_an_error("order_confirmed").ended("compensated")


def test_a_notification_before_the_providers_own_reply_waits_for_it() -> None:
    an_accepted_purchase().ignores("authorised").ignores("refused")


def test_a_provider_that_never_answers_gets_a_human() -> None:
    saga = an_accepted_purchase()
    for _ in range(len(conf.inquiry_delays) + 1):
        saga.answered(outcome="unknown")
    saga.ended("parked").resumed().asks("payments.inquire").after(5)


@pytest.mark.parametrize("outcome", ["not_sent", "pending", "unknown", "challenge_required"])
def test_an_abandoned_challenge_is_asked_about_and_cancelled_before_it_expires(outcome: str) -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    saga.asks("payments.inquire").after(0).answered(outcome=outcome)
    assert "expired" not in saga.events
    saga.asks("payments.abandon", attempt="pay_1-1").answered(outcome="refused")
    assert saga.decision.transitions == saga.decision.attempt_transitions == ("expired",)
    saga.asks("orders.release").answered().ended("compensated")


@pytest.mark.parametrize("lost", ["unknown", "error", "deadline"])
def test_a_challenge_whose_cancellation_is_uncertain_does_not_expire(lost: str) -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    saga.answered(outcome="not_sent").asks("payments.abandon")
    if lost == "deadline":
        saga.waited_too_long()
    elif lost == "error":
        saga.answered_with_an_error()
    else:
        saga.answered(outcome="unknown")
    saga.asks("payments.inquire").answered(outcome="unknown").asks("payments.abandon")
    assert "expired" not in saga.events


def test_an_abandoned_challenge_that_was_refused_needs_no_cancelling() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    saga.answered(outcome="refused").asks("orders.release")
    assert saga.decision.transitions == ("expired",)


@pytest.mark.parametrize("answers", [("approved",), ("unknown", "approved")])
def test_an_abandoned_challenge_that_was_paid_after_all_is_paid(answers: tuple[str, ...]) -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    for outcome in answers:
        saga.answered(outcome=outcome)
    saga.starts("capture")
    assert saga.decision.transitions == ("outcome_unknown",), "the shopper is no longer asked to complete it"


def test_the_shopper_of_a_late_challenge_may_still_come_back_while_the_provider_is_asked() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    assert saga.events == ["challenge_required"]
    saga.told("challenge_returned").asks("payments.complete_challenge")


def test_a_shopper_who_is_back_while_the_provider_is_being_asked_may_go_on() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    saga.answered(outcome="not_sent").told("challenge_returned").asks("payments.complete_challenge")
    saga.answered(outcome="unknown").ignores("challenge_returned").answered(outcome="not_sent")
    assert "expired" not in saga.events


def a_completed_challenge_that_is_never_found() -> Conversation:
    saga = an_accepted_purchase().answered(outcome="challenge_required").told("challenge_returned")
    for _ in range(len(conf.inquiry_delays) + 1):
        saga.answered(outcome="unknown")
    return saga.asks("payments.abandon", attempt="pay_1-1")


def test_a_completed_challenge_that_the_provider_never_finds_is_cancelled_and_expires() -> None:
    saga = a_completed_challenge_that_is_never_found().answered(outcome="refused")
    assert saga.decision.transitions == saga.decision.attempt_transitions == ("expired",)
    saga.asks("orders.release").answered().ended("compensated")


def test_a_completed_challenge_whose_cancellation_is_uncertain_gets_a_human() -> None:
    saga = a_completed_challenge_that_is_never_found().answered(outcome="unknown").ended("parked")
    saga.resumed().asks("payments.inquire").after(5).answered(outcome="unknown").asks("payments.abandon")
    assert "expired" not in saga.events


def test_a_completed_challenge_that_is_found_while_it_is_parked_is_paid() -> None:
    saga = a_completed_challenge_that_is_never_found().waited_too_long().ended("parked")
    saga.told("authorised").asks("payments.inquire").answered(outcome="approved").starts("capture")


def test_a_capture_that_takes_longer_is_told_to_the_shopper_and_waited_for() -> None:
    saga = an_authorised_purchase().told("capture_delayed").answers_the_shopper().waits_for_a_signal()
    assert saga.events == ["outcome_unknown"]
    saga.ignores("captured").told("capture_accepted").asks("orders.confirm")


def test_a_mismatch_of_what_was_asked_and_answered_waits_for_staff() -> None:
    saga = an_accepted_purchase().answered(outcome="conflicted").answers_the_shopper().ended("parked")
    assert saga.events == ["conflicted"]


def test_captured_money_is_never_undone_by_a_failing_later_step() -> None:
    saga = an_authorised_purchase().told("capture_accepted").asks("orders.confirm")
    saga.answered_with_an_error().ended("parked").tells_nothing()
    assert "refused" not in saga.events


def test_a_service_that_loses_its_command_is_asked_again() -> None:
    saga = an_authorised_purchase().told("capture_accepted")
    lost = saga.decision.ask
    saga.waited_too_long()
    assert saga.decision.ask == lost
    assert saga.decision.end is None


def test_a_service_that_does_not_answer_before_any_money_ends_the_purchase() -> None:
    saga = a_purchase().waited_too_long().answers_the_shopper().asks("orders.release")
    assert saga.events == ["refused"]
    assert saga.decision.attempt_transitions == ("not_sent",)


@pytest.mark.parametrize("losses", [1, 3])
def test_a_lost_inquiry_is_made_again_and_later(losses: int) -> None:
    saga = an_accepted_purchase().answered(outcome="unknown")
    for delay in conf.inquiry_delays[1 : losses + 1]:
        assert saga.decision.timeout is not None
        saga.waited_too_long().asks("payments.inquire").after(delay)
    saga.answered(outcome="approved").starts("capture")


def test_the_stock_is_reserved_and_released_for_this_attempt() -> None:
    saga = a_purchase().answered(decision="accept").asks("orders.reserve", attempt="pay_1-1")
    saga.answered(reserved=False).asks("orders.release", attempt="pay_1-1")


def test_data_of_an_older_release_has_defaults_and_that_of_a_newer_one_is_understood() -> None:
    old = msgspec.to_builtins(an_accepted_purchase().decision.data)
    for name in ("inquiries", "tries", "is_expiring", "is_capture_refused", "has_card"):
        del old[name]
    data = msgspec.convert(old | {"something_new": 1}, PurchaseData)
    assert (data.tries, data.has_card) == (0, True)


@pytest.mark.parametrize("asked", ["risk.assess", "orders.reserve"])
def test_a_purchase_that_is_called_off_before_the_provider_is_asked_ends_at_once(asked: str) -> None:
    saga = a_purchase().asks("risk.assess")
    if asked == "orders.reserve":
        saga.answered(decision="accept").asks("orders.reserve")
    saga.told("called_off").answers_the_shopper().asks("orders.release")
    assert (saga.events, saga.decision.attempt_transitions) == (["cancelled"], ("not_sent",))
    saga.answered().ended("compensated")


def test_a_purchase_that_is_called_off_before_it_begins_asks_nobody() -> None:
    saga = a_purchase(is_called_off=True).answers_the_shopper().ended("compensated")
    assert (saga.events, saga.decision.attempt_transitions) == (["cancelled"], ("not_sent",))


@pytest.mark.parametrize("step", ["authorise", "complete_challenge", "inquire"])
def test_money_that_is_held_for_a_purchase_that_was_called_off_is_released(step: str) -> None:
    saga = at_the_provider(step)
    saga.told("called_off")
    assert "cancelled" not in saga.events, "the outcome is not known yet"
    saga.answered(outcome="approved").starts("void").told("void_done").asks("orders.release")
    assert saga.events[-1] == "cancelled"


@pytest.mark.parametrize("outcome", ["refused", "not_sent"])
@pytest.mark.parametrize("step", ["authorise", "complete_challenge", "inquire"])
def test_a_purchase_that_was_called_off_and_is_refused_is_not_offered_again(step: str, outcome: str) -> None:
    saga = at_the_provider(step)
    saga.told("called_off").answered(outcome=outcome).asks("orders.release")
    assert saga.events[-1] == "cancelled"
    assert "refused" not in saga.events


def test_a_challenge_that_is_required_of_a_purchase_that_was_called_off_is_cancelled_unseen() -> None:
    saga = at_the_provider("authorise")
    saga.told("called_off").answered(outcome="challenge_required").asks("payments.abandon")
    assert "challenge_required" not in saga.events
    saga.answered(outcome="refused").asks("orders.release")
    assert saga.events[-1] == "cancelled"


def test_an_unknown_outcome_of_a_purchase_that_was_called_off_stays_unknown() -> None:
    saga = at_the_provider("authorise")
    saga.told("called_off").waited_too_long().answers_the_shopper().asks("payments.inquire")
    assert saga.events == ["outcome_unknown"]


def test_a_challenge_that_is_late_and_called_off_is_cancelled_rather_than_expired() -> None:
    saga = at_the_provider("authorise").answered(outcome="challenge_required").waited_too_long()
    saga.answered(outcome="challenge_required").asks("payments.abandon").told("called_off")
    saga.answered(outcome="refused").asks("orders.release")
    assert saga.events[-1] == "cancelled"


@pytest.mark.parametrize("step", ["authorise", "complete_challenge", "inquire"])
def test_what_the_provider_captures_with_the_authorisation_is_paid_although_it_was_called_off(
    step: str,
) -> None:
    saga = at_the_provider(step, is_capture_included=True)
    saga.told("called_off").answered(outcome="approved").starts("capture")
    saga.told("capture_done").asks("orders.confirm")
    assert "authorised" in saga.events


def test_a_shopper_who_cancels_a_challenge_and_has_completed_it_pays_what_was_captured_with_it() -> None:
    saga = an_accepted_purchase(is_capture_included=True).answered(outcome="challenge_required")
    saga.told("called_off").asks("payments.inquire").told("challenge_returned")
    saga.asks("payments.complete_challenge").answered(outcome="approved").starts("capture")


def test_a_challenge_that_cannot_be_cancelled_since_its_money_was_captured_with_it_is_paid() -> None:
    saga = an_accepted_purchase(is_capture_included=True).answered(outcome="challenge_required")
    saga.told("called_off").answered(outcome="challenge_required").asks("payments.abandon")
    saga.answered(outcome="approved").starts("capture")


def at_the_provider(step: str, **changes: Any) -> Conversation:
    """Return a purchase at the step of an authorisation, of its second message, or of an inquiry."""
    saga = an_accepted_purchase(**changes)
    if step == "complete_challenge":
        saga.answered(outcome="challenge_required").told("challenge_returned")
        saga.asks("payments.complete_challenge")
    elif step == "inquire":
        saga.answered(outcome="unknown").asks("payments.inquire")
    return saga
