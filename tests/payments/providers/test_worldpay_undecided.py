"""Answers of the sandbox that decide nothing, and the inquiries that do decide."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.errors import ListIncomplete, OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid
from checkout.payments.providers.base import EventKind, Outcome, RefusalReason
from checkout.payments.providers.worldpay_wpg.provider import WorldpayWpg
from tests.payments.providers.contract import order_code
from tests.payments.providers.requests_to_make import authorisation, completion, modification
from tests.payments.providers.sandbox_shop import account, paid_with, sandbox, shop
from tests.sandbox.merchant import turn
from tests.support.waiting import wait_until

__all__ = ["order_code", "sandbox", "shop"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset_before", OutcomeUnknown),
        ("reset_after", OutcomeUnknown),
        ("cut", OutcomeUnknown),
        ("503_after", OutcomeUnknown),
        ("truncated", ProviderReplyInvalid),
        ("empty", ProviderReplyInvalid),
        ("html", ProviderReplyInvalid),
        ("another_merchant", ProviderReplyInvalid),
    ],
)
def test_what_breaks_on_the_way_leaves_the_outcome_open(sandbox, shop, order_code, fault, error):
    turn(sandbox.url, knob={"verb": "submit", "fault": fault})
    with pytest.raises(error):
        shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    arrived = fault != "reset_before"
    assert shop.provider.inquire(order_code).outcome == (Outcome.APPROVED if arrived else Outcome.NOT_FOUND)


@pytest.mark.parametrize("fault", ["raw_ampersand", "wrong_encoding", "after_notification", "drip"])
def test_what_is_only_untidy_is_understood(sandbox, shop, order_code, fault):
    turn(sandbox.url, knob={"verb": "submit", "fault": fault, "drip_ms": 1})
    result = shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert result.outcome == Outcome.APPROVED


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        "internal_error",
        "not_available",
        "in_progress",
        "three_ds_error",
        "token_error",
        "gateway_error",
        "error_occurred",
    ],
)
def test_an_error_that_decides_nothing_is_decided_by_the_books(sandbox, shop, order_code, fault, is_done):
    moment = "after" if is_done else "before"
    turn(sandbox.url, knob={"verb": "submit", "fault": f"{fault}_{moment}"})
    result = shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert (result.outcome, result.refusal) == (Outcome.UNKNOWN, None)
    found = shop.provider.inquire(order_code)
    assert found.outcome == (Outcome.APPROVED if is_done else Outcome.NOT_FOUND)


@pytest.mark.parametrize("is_done", [False, True])
def test_a_plain_text_in_place_of_a_reply_is_decided_by_the_books(sandbox, shop, order_code, is_done):
    moment = "after" if is_done else "before"
    turn(sandbox.url, knob={"verb": "submit", "fault": f"temporary_failure_{moment}"})
    with pytest.raises(ProviderReplyInvalid):
        shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    found = shop.provider.inquire(order_code)
    assert found.outcome == (Outcome.APPROVED if is_done else Outcome.NOT_FOUND)


def test_an_order_that_is_not_ready_or_still_being_authorised_is_asked_about_again(sandbox, shop, order_code):
    turn(sandbox.url, knob={"verb": "submit", "fault": "sent_for_authorisation"})
    first = shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert (first.outcome, first.event) == (Outcome.PENDING, "SENT_FOR_AUTHORISATION")
    turn(sandbox.url, knob={"verb": "inquiry", "fault": "order_not_ready"})
    found = shop.provider.inquire(order_code)
    assert (found.outcome, found.event) == (Outcome.UNKNOWN, "NOT_READY")
    assert shop.provider.inquire(order_code).outcome == Outcome.APPROVED


@pytest.mark.parametrize(
    "fault", ["internal_error", "not_available", "in_progress", "gateway_error", "error_occurred"]
)
@pytest.mark.parametrize("is_done", [False, True])
def test_a_capture_that_an_error_leaves_open_is_in_the_books_or_not(
    sandbox, shop, order_code, fault, is_done
):
    shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    moment = "after" if is_done else "before"
    turn(sandbox.url, knob={"verb": "capture", "fault": f"{fault}_{moment}"})
    assert shop.provider.capture(modification("capture", order_code)).outcome == Outcome.UNKNOWN
    event = "CAPTURED" if is_done else "AUTHORISED"
    wait_until(lambda: shop.provider.inquire(order_code).event == event, event)


def test_a_refund_may_fail_before_its_reply(shop, order_code):
    paid_with(shop, order_code, "REFUND_REFUSED_ONLINE")
    shop.provider.capture(modification("capture", order_code))
    wait_until(lambda: shop.provider.inquire(order_code).event == "CAPTURED", "the capture")
    assert shop.provider.refund(modification("refund", order_code)).outcome == Outcome.PENDING
    assert shop.provider.inquire(order_code).event == "REFUND_FAILED"


@pytest.mark.parametrize("fault", ["last_event_null", "last_event_unknown"])
def test_a_status_that_says_nothing_leaves_the_outcome_open(sandbox, shop, order_code, fault):
    turn(sandbox.url, knob={"verb": "submit", "fault": fault})
    result = shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert result.outcome == Outcome.UNKNOWN


@pytest.mark.parametrize("account", ["IN_PROCESS_SENT_FOR_AUTH", "CAPTURE_FAILED"])
def test_a_balance_on_an_account_that_nobody_knows_is_no_capture(sandbox, shop, order_code, account):
    paid_with(shop, order_code, "Ada")
    turn(sandbox.url, knob={"verb": "inquiry", "fault": "stray_balance", "account": account})
    strange, usual = shop.provider.inquire(order_code), shop.provider.inquire(order_code)
    assert (strange.outcome, strange.kind, strange.position) == (Outcome.APPROVED, EventKind.AUTHORISED, None)
    assert usual.position is not None


def test_a_list_that_the_provider_cuts_is_no_answer(sandbox, shop, order_code):
    for number in range(3):
        shop.provider.authorise(authorisation(f"{order_code}-{number}", sealed_card=shop.cards["approve"]))
    now = timezone.now()
    turn(sandbox.url, knob={"verb": "list", "fault": "list_cut"})
    with pytest.raises(ListIncomplete):
        shop.provider.orders(now - timedelta(minutes=1), now + timedelta(minutes=1))
    listed = shop.provider.orders(now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert {f"{order_code}-{number}" for number in range(3)} <= {found.order_code for found in listed}


@pytest.mark.parametrize("fault", ["no_list", "another_merchant"])
def test_what_is_no_list_of_ours_is_no_answer(sandbox, shop, order_code, fault):
    now = timezone.now()
    turn(sandbox.url, knob={"verb": "list", "fault": fault})
    with pytest.raises(ProviderReplyInvalid):
        shop.provider.orders(now - timedelta(minutes=1), now + timedelta(minutes=1))


def test_a_payment_that_only_3d_secure_1_could_authenticate_is_refused_and_holds_nothing(shop, order_code):
    result = paid_with(shop, order_code, "3D")
    assert (result.outcome, result.challenge) == (Outcome.REFUSED, None)
    assert result.refusal is not None
    assert result.refusal.reason == RefusalReason.AUTHENTICATION_FAILED
    assert shop.provider.inquire(order_code).outcome == Outcome.NOT_FOUND
    late = shop.provider.complete_challenge(completion(order_code))
    assert late.outcome == Outcome.UNKNOWN
    assert shop.provider.inquire(order_code).outcome == Outcome.NOT_FOUND


def test_a_wrong_merchant_code_is_the_operators_business(sandbox, shop, order_code):
    mistyped = WorldpayWpg(replace(account(sandbox.url), merchant_code="MISTYPED"))
    answer = mistyped.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert answer.outcome == Outcome.NOT_ABLE
    assert shop.provider.inquire(order_code).outcome == Outcome.NOT_FOUND


def test_wrong_credentials_are_the_operators_business(sandbox, shop, order_code):
    stranger = WorldpayWpg(account(sandbox.url, password="wrong"))
    with pytest.raises(ProviderMisconfigured):
        stranger.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert shop.provider.inquire(order_code).outcome == Outcome.NOT_FOUND
