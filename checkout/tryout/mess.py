"""Examples of all cases that staff have to settle, made by real purchases and faults of the sandbox."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from checkout.conf.api import TRY_OUT_API_KEY
from checkout.tryout.browser import Browser
from checkout.tryout.card import Card
from checkout.tryout.shopper import Shopper

# Times that are hours in production. With these, each case reaches staff within two minutes.
SETTINGS: Mapping[str, str] = {
    "CHECKOUT_INQUIRY_DELAYS": "[1, 1, 1]",
    "CHECKOUT_SETTLING_SECONDS": "3",
    "CHECKOUT_ORDER_LAG_SECONDS": "5",
    "CHECKOUT_MODIFICATION_LAG_SECONDS": "5",
    "CHECKOUT_RECONCILIATION_SECONDS": "30",
}
# A holder's name without a meaning for the sandbox, so that the card and the order's traits decide.
HOLDER = "ELLA SHOPPER"
# A card whose authentication fails (see the sandbox's page of test cards).
UNAUTHENTICATED_CARD = "4000000000002925"
_PRICE, _SKU = 3495, "BAG-040"
_SECONDS = 20
# The next two notifications about a refund, of whatever order, are lost.
_LOST = {"journal": ["SENT_FOR_REFUND", "REFUNDED"], "fault": "lost", "times": 2}


class MessFailed(Exception):
    """A case for staff could not be made. The text is the reason."""


@dataclass(frozen=True, slots=True)
class Matter:
    """A payment with a case for staff.

    The sandbox gets ``traits`` and ``knobs`` for the order before the payment is paid. ``then`` is called
    when the payment has reached ``state``.
    """

    order: str
    what: str
    then: Callable[["Gateway", str], object] = lambda gateway, payment: None
    traits: tuple[str, ...] = ()
    knobs: Mapping[str, Any] = field(default_factory=dict)
    card_number: str = "4444333322221111"
    state: str = "captured"


class Gateway:
    """The interfaces of a try-out that the cases need: the API of the gateway and the sandbox's knobs."""

    def __init__(self, url: str, sandbox_url: str) -> None:
        self.url, self.sandbox_url = url, sandbox_url
        self._session = requests.Session()
        self._session.trust_env = False

    def ask(self, path: str, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post to the API, and return the answer. Raises ``MessFailed``."""
        headers = {"Authorization": f"Bearer {TRY_OUT_API_KEY}", "Idempotency-Key": key}
        answer = self._session.post(f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=_SECONDS)
        return _content(answer)

    def cause(self, knobs: Mapping[str, Any]) -> None:
        """Set knobs of the sandbox. Raises ``MessFailed``."""
        _content(self._session.post(f"{self.sandbox_url}/scenarios/", json=knobs, timeout=_SECONDS))

    def pay(self, matter: Matter) -> str:
        """Create and pay a payment. Return its reference when the payment has reached the state."""
        body = {
            "order_reference": matter.order,
            "description": "Canvas bag",
            "amount": _PRICE,
            "currency": "GBP",
            "captures_automatically": matter.state == "captured",
            "customer_email": "ella@example.com",
            "lines": [{"sku": _SKU, "quantity": 1}],
        }
        payment = str(self.ask("/payments", matter.order, body)["id"])
        self.cause({"order": {"order": payment, "traits": list(matter.traits)}, **matter.knobs})
        shopper = Shopper(Browser(), self.url, Card(HOLDER, matter.card_number), payment)
        shopper.pay(shopper.order())
        if (state := shopper.end(matter.state)) != matter.state:
            raise MessFailed(f"{matter.order} is {state} and not {matter.state}.")
        return payment


def _content(answer: requests.Response) -> dict[str, Any]:
    if not answer.ok:
        raise MessFailed(f"{answer.url} answered {answer.status_code}: {answer.text[:500]}")
    content: dict[str, Any] = answer.json()
    return content


def _disputed(event: str, **more: Any) -> Callable[[Gateway, str], object]:
    return lambda gateway, payment: gateway.cause(
        {"dispute": {"order": f"{payment}-1", "event": event, **more}}
    )


def _in_portal(do: str, **more: Any) -> Callable[[Gateway, str], object]:
    return lambda gateway, payment: gateway.cause({"portal": {"order": f"{payment}-1", "do": do, **more}})


def _unseen_refund(gateway: Gateway, payment: str) -> None:
    """Make a refund in the provider's portal, and lose the notifications of it."""
    portal = {"order": f"{payment}-1", "do": "refund", "amount": 700}
    gateway.cause({"notification": _LOST, "portal": portal})


def _refund_without_answer(gateway: Gateway, payment: str) -> None:
    """Request a refund, and lose the answer, the notifications, and the answers to all inquiries about it."""
    unanswered = {"verb": "inquiry", "fault": "500_before", "times": 20}
    gateway.cause({"notification": _LOST, "knob": [{"verb": "refund", "fault": "reset_after"}, unanswered]})
    body = {"amount": 495, "reason": "A strap was torn"}
    gateway.ask(f"/payments/{payment}/refund", "W-9-refund", body)


# The last cases lose messages of any order, so no other message may be under way.
MATTERS = (
    Matter("W-1", "is authorised: capture it, alone or in bulk", state="authorised"),
    Matter("W-2", "is authorised: capture it in bulk", state="authorised"),
    Matter(
        "W-3",
        "was authorised although 3-D Secure had failed: accept it, or refund it",
        traits=("authorises_unauthenticated",),
        card_number=UNAUTHENTICATED_CARD,
    ),
    Matter("W-4", "has a question of the shopper's bank", then=_disputed("INFORMATION_REQUESTED")),
    Matter("W-5", "has a charge-back of £5.00", then=_disputed("CHARGED_BACK", amount=500)),
    Matter(
        "W-6",
        "contradicts us: £7.00 were refunded in the provider's portal",
        then=_in_portal("refund", amount=700),
    ),
    Matter(
        "W-7",
        "is paid, and a notification named an order that nobody knows",
        knobs={"notification": {"journal": "CAPTURED", "fault": "wrong_order"}},
    ),
    Matter("W-8", "differs: £7.00 were refunded in the portal, and nothing told us", then=_unseen_refund),
    Matter(
        "W-9",
        "has a refund of £4.95 without an answer: it stops and waits for a decision",
        then=_refund_without_answer,
    ),
)


def leave(url: str, sandbox_url: str) -> Iterator[str]:
    """Make all cases, and yield a line about each.

    Raises ``MessFailed``, and the errors of ``Shopper`` and of requests.
    """
    gateway = Gateway(url, sandbox_url)
    for matter in MATTERS:
        payment = gateway.pay(matter)
        matter.then(gateway, payment)
        yield f"  {matter.order}  {matter.what}"
