"""Objects of a running stack for generated requests: payments in several states, and their objects."""

from collections import defaultdict
from itertools import count
from typing import Any

import requests

from tests.api.fuzz.generated import Known
from tests.flows.stack.shopping import shopper_at
from tests.support.stack import Stack

# The newest objects of each kind are used, because some of them still allow captures, refunds and so on.
MOST_KNOWN = 12


class Objects:
    """The objects of a merchant. ``renew`` makes new ones, because generated requests use them up."""

    def __init__(self, stack: Stack, session: requests.Session) -> None:
        self.known: Known = {}
        self._stack = stack
        self._session = session
        self._numbers = count(1)

    def renew(self) -> None:
        """Make an open, an authorised and a captured payment, a link and an endpoint, and read all ids."""
        self._pay("open")
        self._pay("authorised", captures_automatically=False)
        captured = self._pay("captured")
        self._post(f"/payments/{captured}/refund", amount=10)
        self._post("/payment-links", **self._order("link"))
        endpoint = self._post("/webhook-endpoints", url="http://localhost:9/webhooks")
        self._post(f"/webhook-endpoints/{endpoint}/ping")
        self.known = self._ids(captured, endpoint)

    def _pay(self, state: str, **options: Any) -> str:
        reference = self._post("/payments", **self._order(state), **options)
        if state != "open":
            shopper = shopper_at(self._stack)
            shopper.reference = reference
            shopper.pay(shopper.browser.open(f"{self._stack.web_url}/checkout/{reference}/"))
            assert shopper.end(state) == state
        return reference

    def _order(self, kind: str) -> dict[str, Any]:
        number = f"{kind}-{next(self._numbers)}"
        return {"order_reference": number, "amount": 1250, "currency": "EUR", "description": "Tea"}

    def _post(self, path: str, **body: Any) -> str:
        headers = {"Idempotency-Key": f"object-{next(self._numbers)}"}
        answer = self._session.post(self._address(path), json=body, headers=headers, timeout=60)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return str(answer.json().get("id"))

    def _ids(self, payment: str, endpoint: str) -> Known:
        newest = f"limit={MOST_KNOWN}"
        lists = (
            f"/payments?{newest}",
            f"/events?{newest}",
            f"/payment-links?{newest}",
            f"/webhook-endpoints?{newest}",
            f"/webhook-endpoints/{endpoint}/deliveries?{newest}",
            f"/payments/{payment}/operations",
        )
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path in lists:
            answer = self._session.get(self._address(path), timeout=60)
            for each in answer.json()["data"]:
                found[each["id"].partition("_")[0]].append(each["id"])
        return found

    def _address(self, path: str) -> str:
        return f"{self._stack.web_url}/api/v1{path}"
