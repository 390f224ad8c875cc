"""The sandbox as a separate process, and a shop with this provider, for tests of the Worldpay adapter."""

import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from checkout.payments.providers.base import Account, Challenge, ProviderResult
from checkout.payments.providers.registry import get_provider
from tests.payments.providers.requests_to_make import authorisation
from tests.sandbox.inbox import Inbox
from tests.sandbox.merchant import Merchant, form_action, hidden_fields, turn
from tests.support.program import Program
from tests.support.waiting import wait_until

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
            "user": "SANDBOXMERCHANT",
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
        assert result.challenge is not None
        self.answer(result.challenge, choice)

    def answer(self, challenge: Challenge, choice: str) -> None:
        """Submit one form after another without scripts, until the last one, which leads back to the shop."""
        form = self.provider.challenge_form(challenge, return_url=RETURN_URL, merchant_data="md")
        page = requests.post(form.action, form.fields, timeout=20)
        issuer = requests.post(form_action(page), hidden_fields(page), timeout=20)
        decision = f"{self._sandbox.url}/acs/challenge/decision/"
        decided = requests.post(decision, {**hidden_fields(issuer), "choice": choice}, timeout=20)
        back = requests.post(form_action(decided), hidden_fields(decided), timeout=20)
        assert form_action(back) == RETURN_URL
        assert hidden_fields(back)["TransactionId"] == challenge.transaction_id
        assert hidden_fields(back)["MD"] == "md"

    def release_rest_of(self, order_code: str) -> None:
        turn(self._sandbox.url, order={"traits": ["releases_rest"], "order": order_code})

    def notifications(self) -> list[bytes]:
        return list(self._sandbox.inbox.bodies)


@pytest.fixture
def shop(sandbox: Sandbox) -> SandboxShop:
    return SandboxShop(sandbox)


def paid_with(shop: SandboxShop, order_code: str, holder: str, **changes) -> ProviderResult:
    card = shop.seal(holder, "4444333322221111")
    return shop.provider.authorise(authorisation(order_code, sealed_card=card, **changes))
