"""The Worldpay adapter against the sandbox as a separate process: the contract, and a whole purchase."""

import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.utils import timezone

from checkout.errors import ListIncomplete, OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid
from checkout.money import Money
from checkout.payments.providers.base import Account, Outcome, ProviderResult, RefusalReason
from checkout.payments.providers.registry import get_provider
from checkout.payments.providers.saved_cards import (
    TOKEN_NOT_FOUND,
    IssuedToken,
    KeptToken,
    MerchantInitiated,
    StoredCard,
)
from checkout.payments.providers.worldpay_wpg.provider import WorldpayWpg
from tests.payments.providers.contract import ProviderContract, order_code
from tests.payments.providers.requests_to_make import authorisation, completion, modification
from tests.sandbox.inbox import Inbox
from tests.sandbox.merchant import Merchant, Reply, form_action, hidden_fields, money, turn
from tests.support.program import Program
from tests.support.waiting import wait_until

__all__ = ["order_code"]
RETURN_URL = "http://localhost:8000/checkout/pay_1/challenge/return/token/"


@dataclass
class Sandbox:
    url: str
    inbox: Inbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with Inbox() as inbox:
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            "SANDBOX_PORT": str(port),
            "SANDBOX_URL": url,
            "SANDBOX_NOTIFICATION_URL": inbox.url,
            "SANDBOX_SETTLE_SECONDS": "0",
            "SANDBOX_REPLICATION_SECONDS": "0",
            "SANDBOX_TRAITS": "{}",
        }
        log: Path = tmp_path_factory.mktemp("sandbox") / "log"
        command = [sys.executable, "manage.py", "run_sandbox"]
        program = Program("sandbox", command, log=log, environment=environment)
        program.start()
        try:
            wait_until(lambda: not program.is_alive or _answers(url), "the sandbox to answer")
            assert program.is_alive, program.text()
            yield Sandbox(url, inbox)
        finally:
            program.terminate()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/livez", timeout=5).ok
    except requests.ConnectionError:
        return False


def account(url: str, *, saves_without_challenge: str = "yes", **credentials: str) -> Account:
    return Account(
        code="sandbox",
        provider="worldpay_wpg",
        merchant_code="SANDBOXMERCHANT",
        endpoint=f"{url}/worldpay/jsp/merchant/xml/paymentService.jsp",
        credentials={
            "user": "sandbox",
            "password": "sandbox-password",
            "mac_key": "sandbox-mac-key-for-device-data-and-challenges",
            "issuer": "sandbox-issuer",
            "organisational_unit": "sandbox-unit",
            **credentials,
        },
        options={
            "captures_with_authorisation": "yes",
            "exponents": "HUF=0",
            "lists_orders": "yes",
            "saved_cards": "yes",
            "saves_without_challenge": saves_without_challenge,
            "idempotency_keys": "uuid",
            "device_data_url": f"{url}/worldpay/shopper/3ds/ddc.html",
            "challenge_url": f"{url}/worldpay/shopper/3ds/challenge.html",
            "encryption_script_url": f"{url}/worldpay/cse/worldpay-cse.js",
            "encryption_public_key": requests.get(f"{url}/worldpay/cse/public-key.txt", timeout=20).text,
        },
    )


class SandboxShop:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.provider = get_provider(account(sandbox.url))
        seal = self.seal = Merchant(sandbox.url).seal
        self.cards = {
            "approve": seal("AUTHORISED", "4444333322221111"),
            "challenge": seal("3DS_V2_CHALLENGE_IDENTIFIED", "4444333322221111"),
            "refuse": seal("REFUSED", "4444333322221111"),
            "unreadable": "eyJ.not.a.sealed.card",
        }

    def answer_challenge(self, result: ProviderResult, choice: str) -> None:
        """Submit form after form without scripts, until the last one, which leads back to the shop."""
        assert result.challenge is not None
        form = self.provider.challenge_form(result.challenge, return_url=RETURN_URL, merchant_data="md")
        page = requests.post(form.action, form.fields, timeout=20)
        issuer = requests.post(form_action(page), hidden_fields(page), timeout=20)
        decision = f"{self._sandbox.url}/acs/challenge/decision/"
        decided = requests.post(decision, {**hidden_fields(issuer), "choice": choice}, timeout=20)
        back = requests.post(form_action(decided), hidden_fields(decided), timeout=20)
        assert form_action(back) == RETURN_URL
        assert hidden_fields(back)["TransactionId"] == result.challenge.transaction_id
        assert hidden_fields(back)["MD"] == "md"

    def notifications(self) -> list[bytes]:
        return list(self._sandbox.inbox.bodies)


@pytest.fixture
def shop(sandbox: Sandbox) -> SandboxShop:
    return SandboxShop(sandbox)


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


def test_a_token_pays_for_the_customer_alone_for_whom_it_was_made(shop, order_code):
    token = saved(shop, order_code, "Ada")
    assert charged(shop, f"{order_code}-2", token, "cus_2").outcome == Outcome.UNKNOWN
    assert shop.provider.inquire(f"{order_code}-2").outcome == Outcome.NOT_SENT


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
    assert shop.provider.inquire(order_code).outcome == Outcome.NOT_SENT


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
    assert shop.provider.inquire(f"{order_code}-2").outcome == Outcome.NOT_SENT


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
    ],
)
def test_what_breaks_on_the_way_leaves_the_outcome_open(sandbox, shop, order_code, fault, error):
    turn(sandbox.url, knob={"verb": "submit", "fault": fault})
    with pytest.raises(error):
        shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    arrived = fault != "reset_before"
    assert shop.provider.inquire(order_code).outcome == (Outcome.APPROVED if arrived else Outcome.NOT_SENT)


@pytest.mark.parametrize("fault", ["raw_ampersand", "wrong_encoding", "after_notification", "drip"])
def test_what_is_only_untidy_is_understood(sandbox, shop, order_code, fault):
    turn(sandbox.url, knob={"verb": "submit", "fault": fault, "drip_ms": 1})
    result = shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert result.outcome == Outcome.APPROVED


@pytest.mark.parametrize("fault", ["last_event_null", "last_event_unknown"])
def test_a_status_that_says_nothing_leaves_the_outcome_open(sandbox, shop, order_code, fault):
    turn(sandbox.url, knob={"verb": "submit", "fault": fault})
    result = shop.provider.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert result.outcome == Outcome.UNKNOWN


def test_a_list_that_the_provider_cuts_is_no_answer(sandbox, shop, order_code):
    for number in range(3):
        shop.provider.authorise(authorisation(f"{order_code}-{number}", sealed_card=shop.cards["approve"]))
    now = timezone.now()
    turn(sandbox.url, knob={"verb": "list", "fault": "list_cut"})
    with pytest.raises(ListIncomplete):
        shop.provider.orders(now - timedelta(minutes=1), now + timedelta(minutes=1))
    listed = shop.provider.orders(now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert {f"{order_code}-{number}" for number in range(3)} <= {found.order_code for found in listed}


def test_wrong_credentials_are_the_operators_business(sandbox, shop, order_code):
    stranger = WorldpayWpg(account(sandbox.url, password="wrong"))
    with pytest.raises(ProviderMisconfigured):
        stranger.authorise(authorisation(order_code, sealed_card=shop.cards["approve"]))
    assert shop.provider.inquire(order_code).outcome == Outcome.NOT_SENT


def paid_with(shop: SandboxShop, order_code: str, holder: str, **changes) -> ProviderResult:
    card = shop.seal(holder, "4444333322221111")
    return shop.provider.authorise(authorisation(order_code, sealed_card=card, **changes))


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
