"""The Worldpay adapter against the sandbox as a separate process: the contract, and a whole purchase."""

import re
from dataclasses import replace
from functools import partial
from unittest.mock import ANY

import pytest
import requests

from checkout.errors import OutcomeUnknown, ProviderReplyInvalid
from checkout.money import Money
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, RefusalReason
from checkout.payments.providers.registry import get_provider
from checkout.payments.providers.saved_cards import (
    TOKEN_NOT_FOUND,
    IssuedToken,
    KeptToken,
    MerchantInitiated,
    StoredCard,
)
from tests.payments.providers.contract import ProviderContract, order_code
from tests.payments.providers.requests_to_make import authorisation, completion, modification
from tests.payments.providers.sandbox_shop import SandboxShop, account, paid_with, sandbox, shop
from tests.sandbox.merchant import Merchant, Reply, money, turn
from tests.support.waiting import wait_until

__all__ = ["order_code", "sandbox", "shop"]


class TestWorldpayOnTheSandbox(ProviderContract):
    pass


def saved(shop: SandboxShop, order_code: str, holder: str, shopper: str = "cus_1") -> IssuedToken:
    card = shop.seal(holder, "4444333322221111")
    token = shop.provider.authorise(authorisation(order_code, sealed_card=card, saves_for=shopper)).token
    assert token is not None
    return token


def charged(shop: SandboxShop, order_code: str, token: IssuedToken, shopper: str = "cus_1") -> ProviderResult:
    reason = MerchantInitiated.UNSCHEDULED
    stored = StoredCard(token=token.token, shopper=shopper, reason=reason)
    return shop.provider.authorise(authorisation(order_code, sealed_card="", stored_card=stored))


def test_the_same_card_of_one_customer_has_one_token_and_that_of_another_customer_another(shop, order_code):
    first = saved(shop, order_code, "Ada")
    assert saved(shop, f"{order_code}-2", "Ada").token == first.token
    assert saved(shop, f"{order_code}-3", "Ada", "cus_2").token != first.token


def test_the_same_card_keeps_its_token_if_its_name_is_written_in_another_way(shop, order_code):
    first = saved(shop, order_code, "Ada Lovelace")
    assert saved(shop, f"{order_code}-2", "A. Lovelace") == replace(first, scheme_transaction=ANY)


def test_the_token_of_a_refused_payment_is_told(shop, order_code):
    refused = paid_with(shop, order_code, "REFUSED", saves_for="cus_refused")
    assert refused.outcome == Outcome.REFUSED
    assert refused.token is not None
    kept = KeptToken(token=refused.token.token, shopper="cus_refused")
    assert shop.provider.delete_token(kept).outcome == Outcome.APPROVED


def test_a_token_pays_for_the_customer_alone_for_whom_it_was_made(shop, order_code):
    token = saved(shop, order_code, "Ada")
    assert charged(shop, f"{order_code}-2", token, "cus_2").outcome == Outcome.UNKNOWN
    assert shop.provider.inquire(f"{order_code}-2").outcome == Outcome.NOT_FOUND


def test_an_issuer_may_demand_the_shopper_for_a_later_charge(shop, order_code):
    token = saved(shop, order_code, "LATER_REFUSED65")
    later = charged(shop, f"{order_code}-2", token)
    assert later.outcome == Outcome.REFUSED
    assert later.refusal is not None
    assert (later.refusal.reason, later.refusal.code) == (RefusalReason.AUTHENTICATION_REQUIRED, "65")


@pytest.mark.parametrize(
    ("number", "code"), [("4444333322221111", "1A"), ("5555555555554444", "65"), ("343434343434343", "130")]
)
def test_an_issuer_demands_the_shopper_in_the_words_of_its_scheme(sandbox, shop, order_code, number, code):
    turn(sandbox.url, order={"traits": ["issuer_response_code"]})
    card = shop.seal("REFUSED65", number)
    refusal = shop.provider.authorise(authorisation(order_code, sealed_card=card)).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.code) == (RefusalReason.AUTHENTICATION_REQUIRED, code)


def test_a_number_of_no_known_brand_is_an_invalid_card_and_no_order(shop, order_code):
    card = shop.seal("Ada", "6060700000000009")
    refusal = shop.provider.authorise(authorisation(order_code, sealed_card=card)).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.code) == (RefusalReason.CARD_INVALID, "5")
    assert "606070******0009" in refusal.description
    assert shop.provider.inquire(order_code).outcome == Outcome.NOT_FOUND


@pytest.mark.parametrize(
    ("saves_without_challenge", "outcome"), [("no", Outcome.APPROVED), ("yes", Outcome.REFUSED)]
)
def test_an_issuer_may_want_that_a_card_was_saved_with_a_challenge(
    sandbox, shop, order_code, saves_without_challenge, outcome
):
    shop.provider = get_provider(account(sandbox.url, saves_without_challenge=saves_without_challenge))
    shopper = f"cus_{saves_without_challenge}_challenge"
    first = paid_with(shop, order_code, "Ada", saves_for=shopper)
    if first.outcome == Outcome.CHALLENGE_REQUIRED:
        shop.answer_challenge(first, "approve")
        first = shop.provider.complete_challenge(completion(order_code, session_state=first.session_state))
    assert first.token is not None
    turn(sandbox.url, order={"traits": ["demands_first_challenge"]})
    later = charged(shop, f"{order_code}-2", first.token, shopper)
    assert later.outcome == outcome
    if later.refusal is not None:
        assert later.refusal.reason == RefusalReason.AUTHENTICATION_REQUIRED


DISPUTED = ("DISPUTED_FUNDS_HELD", "DISPUTED_FUNDS_RELEASED", "DISPUTE_RESERVE_RELEASED", "DISPUTE_EXPIRED")


@pytest.mark.parametrize("event", DISPUTED)
def test_an_order_whose_capture_is_disputed_was_authorised(sandbox, shop, order_code, event):
    shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    shop.provider.capture(modification("capture", order_code))
    wait_until(lambda: shop.provider.inquire(order_code).event == "CAPTURED", "the capture")
    turn(sandbox.url, dispute={"order": order_code, "event": event})
    found = shop.provider.inquire(order_code)
    assert (found.outcome, found.event) == (Outcome.APPROVED, event)


def deleted(merchant: Merchant, token: IssuedToken, shopper: str = "cus_1") -> Reply:
    return merchant.post(
        f"<modify><paymentTokenDelete><paymentTokenID>{token.token}</paymentTokenID>"
        f"<authenticatedShopperID>{shopper}</authenticatedShopperID></paymentTokenDelete></modify>"
    )


def test_a_token_that_was_deleted_at_the_provider_pays_no_more(sandbox, shop, order_code):
    merchant, token = Merchant(sandbox.url), saved(shop, order_code, "Ada", "cus_9")
    assert deleted(merchant, token, "cus_1").error == ("1", "Internal error: token not found")
    done = deleted(merchant, token, "cus_9")
    assert done.attribute("deleteTokenReceived", "paymentTokenID") == token.token
    assert charged(shop, f"{order_code}-2", token, "cus_9").outcome == Outcome.UNKNOWN
    assert shop.provider.inquire(f"{order_code}-2").outcome == Outcome.NOT_FOUND


def test_a_token_is_not_deleted_for_another_customer(shop, order_code):
    token = saved(shop, order_code, "Ada", "cus_8")
    others = shop.provider.delete_token(KeptToken(token=token.token, shopper="cus_1"))
    assert (others.outcome, others.event) == (Outcome.UNKNOWN, TOKEN_NOT_FOUND)
    assert charged(shop, f"{order_code}-2", token, "cus_8").outcome == Outcome.APPROVED


@pytest.mark.parametrize(
    ("fault", "is_done"), [("empty", True), ("reset_after", True), ("truncated", True), ("500_before", False)]
)
def test_a_deletion_whose_answer_is_lost_is_unknown_and_may_be_asked_for_again(
    sandbox, shop, order_code, fault, is_done
):
    token = saved(shop, order_code, "Ada", f"cus_{fault}")
    kept = KeptToken(token=token.token, shopper=f"cus_{fault}")
    turn(sandbox.url, knob={"verb": "delete_token", "fault": fault})
    with pytest.raises((OutcomeUnknown, ProviderReplyInvalid)):
        shop.provider.delete_token(kept)
    charge = charged(shop, f"{order_code}-2", token, f"cus_{fault}")
    assert charge.outcome == (Outcome.UNKNOWN if is_done else Outcome.APPROVED)
    again = shop.provider.delete_token(kept)
    assert again.event == (TOKEN_NOT_FOUND if is_done else "deleteTokenReceived")


def test_a_token_that_is_not_found_may_be_there_and_is_deleted_by_the_next_request(sandbox, shop, order_code):
    token = saved(shop, order_code, "Ada", "cus_7")
    kept = KeptToken(token=token.token, shopper="cus_7")
    turn(sandbox.url, knob={"verb": "delete_token", "fault": "token_not_found"})
    result = shop.provider.delete_token(kept)
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, TOKEN_NOT_FOUND)
    assert charged(shop, f"{order_code}-2", token, "cus_7").outcome == Outcome.APPROVED
    assert shop.provider.delete_token(kept).outcome == Outcome.APPROVED


def test_a_token_without_a_customer_is_refused_before_anything_is_paid(sandbox, order_code):
    merchant = Merchant(sandbox.url)
    card = f"<CSE-DATA><encryptedData>{merchant.seal('Ada', '4444333322221111')}</encryptedData></CSE-DATA>"
    reply = merchant.post(
        f'<submit><order orderCode="{order_code}"><description>Tea</description>{money(1050)}'
        f"<paymentDetails>{card}</paymentDetails><createToken/></order></submit>"
    )
    assert reply.error == ("2", "authenticatedShopperID is required for a create token request")
    assert merchant.inquire(order_code).error[0] == "5"


def test_the_device_data_page_takes_our_token(shop):
    form = shop.provider.device_data_form()
    page = requests.post(form.action, {**form.fields, "Bin": "444433"}, timeout=20)
    assert page.status_code == 200, page.text
    assert re.search(r"SessionId|session", page.text)


def test_modifications_that_are_answered_with_the_orders_status_stay_pending_until_more_is_known(
    shop, order_code
):
    paid_with(shop, order_code, "SYNCHRONOUS_REPLIES")
    for minor in (300, 200):
        captured = shop.provider.capture(modification("capture", order_code, minor))
        assert (captured.outcome, captured.event) == (Outcome.PENDING, "CAPTURED")
        assert captured.amount == Money(minor, "GBP")
    refunded = shop.provider.refund(modification("refund", order_code, 100))
    assert (refunded.outcome, refunded.event) == (Outcome.PENDING, "SENT_FOR_REFUND")
    assert refunded.amount == Money(100, "GBP")


def test_an_order_whose_status_says_that_it_is_cancelled_is_void(shop, order_code):
    paid_with(shop, order_code, "SYNCHRONOUS_REPLIES")
    voided = shop.provider.void(modification("void", order_code))
    assert (voided.outcome, voided.event) == (Outcome.APPROVED, "CANCELLED")


@pytest.mark.parametrize("holder", ['A. Smith pan="', "A. Smith token='", "<cvc>"])
def test_what_a_shopper_is_called_is_not_kept_and_makes_no_notification_unreadable(shop, order_code, holder):
    result = paid_with(shop, order_code, holder)
    assert "Smith" not in result.transcript

    def told() -> list[bytes]:
        return [body for body in shop.notifications() if order_code.encode() in body]

    wait_until(told, "the notification")
    [statement] = shop.provider.parse_notification(told()[0])
    kept = shop.provider.scrub(told()[0])
    assert shop.provider.parse_notification(kept.encode()) == [replace(statement, event_id=ANY)]
    assert "Smith" not in kept


def test_a_captured_order_whose_last_event_is_still_the_authorisation_is_captured(shop, order_code):
    paid_with(shop, order_code, "EVENT_BEHIND")
    inquire = partial(shop.provider.inquire, order_code)
    shop.provider.capture(modification("capture", order_code, 1000))
    wait_until(lambda: inquire().kind == EventKind.CAPTURED, "the capture", seconds=20)
    captured = inquire()
    assert (captured.outcome, captured.event, captured.is_behind) == (Outcome.APPROVED, "AUTHORISED", True)
    assert captured.position is not None
    assert captured.position.captured == Money(1000, "GBP")
    shop.provider.refund(modification("refund", order_code, 100))
    wait_until(lambda: inquire().kind == EventKind.REFUNDED, "the refund", seconds=20)
    assert not inquire().is_behind
