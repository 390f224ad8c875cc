"""The merchant's program, which uses the API as `docs/api.md` tells programmers."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from checkout.conf.api import TRY_OUT_API_KEY
from checkout.money import Money
from checkout.payments.objects import PaymentStatus
from checkout.payments.objects.payment import STATUSES
from checkout.states import PAID, PaymentState
from tests.faults.client import NoAnswer, TryAgain
from tests.faults.merchant.requester import LOOK_SECONDS, Patience, Wish
from tests.faults.recorder import NO_ANSWER, Recorder, Repeated, Seen, now

ROOT = "/api/v1"
AT_ONCE = 16
LONGEST_WAIT_SECONDS = 10
# The share of answers after which the same request is sent again with its key.
ASKED_AGAIN = 0.25
# The statuses and the problem that ask to try again; see docs/errors.md.
LATER = frozenset({429, 500, 502, 503, 504})
STILL_RUNNING = "idempotency_key_in_use"
# `unknown` stands for two of our states, so the checks cannot use it.
OURS = {shown: PaymentState(state) for state, shown in STATUSES.items() if shown is not PaymentStatus.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API that needs no repetition."""

    status: int
    body: bytes

    @property
    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Program:
    """A program with an API key. It repeats a request with the same key until there is a final answer."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        gateway: str,
        recorder: Recorder,
        patience: Patience,
        random: Random,
    ) -> None:
        self._session = session
        self._root = gateway + ROOT
        self._recorder = recorder
        self._patience = patience
        self._random = random
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def create(self, wish: Wish) -> str | None:
        """Create a payment and return its reference."""
        body = {
            "order_reference": wish.name,
            "amount": wish.amount.minor,
            "currency": wish.amount.currency,
            "description": f"Order {wish.name}"[:50],
            "customer_email": "shopper@example.com",
            "lines": [{"sku": wish.sku, "quantity": 1}],
            "captures_automatically": not wish.is_manual,
        }
        if wish.customer:
            body["customer_reference"] = wish.customer
        answer = await self._post("", "/payments", wish.name, body)
        return None if answer is None else _named(answer)

    async def cards_of(self, customer: str) -> list[str]:
        """Return the ids of a customer's saved cards."""
        answer = await self.get(f"/saved-cards?customer_reference={customer}&limit=100")
        return [] if answer is None else [card["id"] for card in answer.value["data"]]

    async def entrance(self, payment: str) -> str:
        """Open a customer session. Return its path, or "" if the payment needs none any more."""
        answer = await self._patience.until_answered(
            partial(self._send, "POST", f"/payments/{payment}/customer-session", payment, {}, {}),
            (NoAnswer, TryAgain),
        )
        return urlsplit(answer.value["url"]).path if answer is not None and answer.status < 300 else ""

    async def charge(self, card: str, name: str, sku: str, amount: Money, reason: str) -> str | None:
        """Have a saved card charged. Return the payment's reference, or the problem's code."""
        body = {
            "saved_card": card,
            "merchant_initiated": reason,
            "order_reference": name,
            "amount": amount.minor,
            "currency": amount.currency,
            "description": "The next delivery",
            "lines": [{"sku": sku, "quantity": 1}],
        }
        answer = await self._post("", "/payments", name, body)
        return None if answer is None else _named(answer)

    async def remove_card(self, card: str) -> bool:
        """Remove a saved card. Return False when the campaign is over."""
        removed = await self._patience.until_answered(
            lambda: self._send("DELETE", f"/saved-cards/{card}", "", None, {}), (NoAnswer, TryAgain)
        )
        return removed is not None and removed.status == 200

    async def is_paid(self, payment: str) -> bool:
        """Return True if a payment is paid for."""
        state = await self.state_of(payment)
        return state is not None and state in PAID

    async def ask(self, payment: str, kind: str, amount: Money | None, key: str) -> str | None:
        """Request a capture, refund or void. Return the operation's reference, or the problem's code."""
        body = {} if amount is None else {"amount": amount.minor}
        answer = await self._post(payment, f"/payments/{payment}/{kind}", key, body)
        return None if answer is None else _named(answer)

    async def state_of(self, payment: str) -> PaymentState | None:
        """Return the state of a payment; `confirming` if the state is not known yet."""
        answer = await self.get(f"/payments/{payment}", payment, Prefer=self._preference())
        return None if answer is None else OURS.get(answer.value["state"], PaymentState.CONFIRMING)

    async def add_endpoint(self, url: str) -> str:
        """Register a webhook endpoint for all events and return its secret."""
        answer = await self._post("", "/webhook-endpoints", f"endpoint-{url}", {"url": url})
        assert answer is not None
        return str(answer.value["secret"])

    async def undelivered(self) -> list[str]:
        """Return the ids of some events whose webhooks are still to be delivered."""
        answer = await self.get("/events?delivered=false&limit=100")
        return [] if answer is None else [event["id"] for event in answer.value["data"]]

    async def have_sent_again(self, event: str) -> None:
        """Request the deliveries of an event again now, as after an outage of the merchant's."""
        listed = await self.get(f"/events/{event}/deliveries")
        for delivery in listed.value["data"] if listed else ():
            path = f"/deliveries/{delivery['id']}/resend"
            # Without a key: it moves no money, and the answer shows the present state of the delivery.
            await self._patience.until_answered(
                partial(self._send, "POST", path, "", {}, {}), (NoAnswer, TryAgain)
            )

    async def get(self, path: str, payment: str = "", **headers: str) -> Answer | None:
        """Read something, patiently."""
        return await self._patience.until_answered(
            lambda: self._send("GET", path, payment, None, headers), (NoAnswer, TryAgain)
        )

    async def _post(self, payment: str, path: str, key: str, body: Mapping[str, Any]) -> Answer | None:
        """Send a request until its answer is final. A 202 is not final."""

        async def send() -> Answer:
            headers = {"Idempotency-Key": key, "Prefer": self._preference()}
            answer = await self._send("POST", path, payment, body, headers)
            if answer.status == 202:
                raise TryAgain(f"{path}: 202")
            return answer

        answer = await self._patience.until_answered(send, (NoAnswer, TryAgain))
        if answer is not None and answer.status < 300 and self._random.random() < ASKED_AGAIN:
            again = await self._patience.until_answered(send, (NoAnswer, TryAgain))
            if again is not None:
                self._recorder.repeated.append(Repeated(payment, path, key, is_same=again == answer))
        return answer

    def _preference(self) -> str:
        if self._random.random() < 0.2:
            return "respond-async"
        return f"wait={self._random.randint(1, LONGEST_WAIT_SECONDS)}"

    async def _send(
        self, method: str, path: str, payment: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request. Raises NoAnswer, and TryAgain if the gateway asks to try again."""
        sent = {"Authorization": f"Bearer {TRY_OUT_API_KEY}", "Accept": "application/json", **headers}
        async with self._gate:
            began = now()
            try:
                async with self._session.request(method, self._root + path, json=body, headers=sent) as got:
                    answer = Answer(got.status, await got.read())
                    retry_after = got.headers.get("Retry-After")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._record(began, method, path, payment, NO_ANSWER, note=type(error).__name__)
                raise NoAnswer(f"{method} {path}: {error!r}") from error
        self._note(began, method, path, payment, answer, retry_after)
        if answer.status in LATER or (answer.status == 409 and _named(answer) == STILL_RUNNING):
            await self._patience.pause(min(float(retry_after or LOOK_SECONDS), LOOK_SECONDS))
            raise TryAgain(f"{method} {path}: {answer.status}")
        return answer

    def _note(
        self, began: float, method: str, path: str, payment: str, answer: Answer, retry_after: str | None
    ) -> None:
        if answer.status == 503 and retry_after is None:
            self._record(began, method, path, payment, answer.status, note="without Retry-After")
        elif answer.status >= 400:
            self._record(began, method, path, payment, answer.status, note=_named(answer))
        elif answer.value.get("object") == "payment":
            self._record_payment(began, method, path, answer)
        else:
            self._record(began, method, path, payment, answer.status, note=str(answer.value.get("state", "")))

    def _record_payment(self, began: float, method: str, path: str, answer: Answer) -> None:
        payment = answer.value
        # A repeated answer shows an earlier state, so only answers to reads are recorded.
        state = OURS.get(payment["state"], "") if method == "GET" else ""
        self._record(
            began,
            method,
            path,
            payment["id"],
            answer.status,
            state=state,
            is_paid=state in PAID,
            is_final=payment["is_final"],
        )

    def _record(self, began: float, method: str, path: str, payment: str, status: int, **said: Any) -> None:
        ended = now()
        request = f"{method} {ROOT}{path.partition('?')[0]}"
        self._recorder.add(Seen(ended, ended - began, payment, request, status, **said))


def _named(answer: Answer) -> str:
    """Return the id of the object in an answer, or the code of the problem."""
    try:
        found = answer.value
    except ValueError:
        return f"{answer.status} without JSON"
    return str(found.get("id") or found.get("code") or answer.status)
