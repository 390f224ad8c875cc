"""A program that tests a shop's expiry, capture window and webhook retries in seconds, with a try-out."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import requests

from checkout.conf.api import TRY_OUT_API_KEY
from checkout.tryout.browser import Browser
from checkout.tryout.card import Card
from checkout.tryout.shopper import Shopper
from tests.support.posts import Headers, answered
from tests.support.waiting import wait_until
from tests.tryout.running_demo import RunningDemo, manage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DAY = 86_400


class Api:
    """The API, as a program uses it."""

    def __init__(self, demo: RunningDemo) -> None:
        self._url = f"{demo.url}/api/v1"
        self._key = {"Authorization": f"Bearer {TRY_OUT_API_KEY}"}

    def get(self, path: str) -> Any:
        return requests.get(f"{self._url}{path}", headers=self._key, timeout=20).json()

    def post(self, path: str, body: Any) -> Any:
        headers = {**self._key, "Idempotency-Key": uuid4().hex}
        answer = requests.post(f"{self._url}{path}", json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def created(self, **changes: Any) -> str:
        body = {"order_reference": f"clock-{uuid4().hex}", "amount": 1200, "currency": "EUR", **changes}
        return str(self.post("/payments", {"description": "Tea", **body})["id"])

    def advance(self, payment: str, seconds: int) -> Any:
        return self.post(f"/payments/{payment}/advance-clock", {"seconds": seconds})

    def becomes(self, payment: str, state: str) -> None:
        wait_until(lambda: self.get(f"/payments/{payment}")["state"] == state, f"{payment} to be {state}")


@pytest.fixture
def api(demo: RunningDemo) -> Api:
    return Api(demo)


class Receiver:
    """A shop's program at ``url`` that answers 500 at first."""

    def __init__(self, failures: int) -> None:
        self.url = ""
        self.answers: list[int] = []
        self._failures = failures

    def answer(self, _body: bytes, _headers: Headers) -> tuple[int, bytes]:
        self.answers.append(500 if len(self.answers) < self._failures else 204)
        return self.answers[-1], b""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver(failures=3)
    with answered(receiver.answer) as receiver.url:
        yield receiver


def test_a_payment_that_nobody_pays_expires_a_day_later(api: Api) -> None:
    payment = api.created()
    assert api.advance(payment, DAY - 60)["state"] == "open"
    assert api.advance(payment, 61)["state"] == "expired"


def test_an_authorisation_is_voided_at_the_end_of_its_capture_window(demo: RunningDemo, api: Api) -> None:
    payment = api.created(captures_automatically=False)
    shopper = Shopper(Browser(), demo.url, Card("ELLA SHOPPER"), payment)
    shopper.pay(shopper.order())
    api.becomes(payment, "authorised")
    assert api.advance(payment, 5 * DAY)["state"] == "authorised"
    api.advance(payment, DAY + 1)
    api.becomes(payment, "voided")


def test_webhooks_are_sent_again_by_the_schedule(api: Api, receiver: Receiver) -> None:
    endpoint = api.post(
        "/webhook-endpoints",
        {"url": f"{receiver.url}/", "event_types": ["payment.created"]},
    )["id"]
    try:
        payment = api.created()
        for number, pause in enumerate((5, 60, 300), start=1):
            wait_until(partial(has_failed, api, endpoint, number), f"failure {number}")
            api.advance(payment, pause)
        wait_until(lambda: len(receiver.answers) == 4, "the attempt that succeeds")
        assert receiver.answers == [500, 500, 500, 204]
    finally:
        api.post(f"/webhook-endpoints/{endpoint}/disable", {})


def has_failed(api: Api, endpoint: str, times: int) -> bool:
    """Return True if the only delivery has had so many attempts, all of which have ended."""
    (delivery,) = api.get(f"/webhook-endpoints/{endpoint}/deliveries")["data"] or [{"tries": 0}]
    return delivery["tries"] == times and bool(delivery["last_result"])


def test_the_command_moves_the_time_as_the_api_does(demo: RunningDemo, api: Api) -> None:
    environment = {**os.environ, "BROKER_URL": "memory://", "DATABASE_URL": "sqlite:////nowhere/none.sqlite3"}
    payment = api.created()
    addresses = ["--url", demo.url, "--sandbox-url", demo.sandbox_url]
    done = manage("gateway", "advance", payment, f"{DAY + 1}", *addresses, environment=environment)
    assert (done.returncode, done.stdout) == (0, f"{payment} is expired, {DAY + 1} seconds later.\n"), done
    refused = manage("gateway", "advance", f"pay_{32 * '0'}", "1", *addresses, environment=environment)
    assert refused.returncode == 1
    assert "There is no such payment." in refused.stderr
