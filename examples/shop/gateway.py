"""The gateway, as far as a shop needs it: its API (docs/api.md), and webhooks (docs/webhooks.md)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

import requests

TIMEOUT_SECONDS = 20
OLDEST_WEBHOOK_SECONDS = 300
LONGEST_TIME = 12  # digits: anybody may send any number


class NotDone(Exception):
    """The gateway refused, or there was no answer. The request may be sent again with its key."""


class NotPossibleNow(NotDone):
    """The gateway refused because of the payment's state: somebody may just be paying it."""


class Gateway:
    """The API at one address, with one key."""

    def __init__(self, api: str, key: str) -> None:
        self._api = api.rstrip("/")
        self._key = key

    def create_payment(self, order: str, **fields: Any) -> dict[str, Any]:
        """Create the payment of an order, or return the one that it has: the order's number is the key.

        A repeated answer has the state of the first one, so the payment may be paid or cancelled by now.
        """
        wanted = {"order_reference": order, **fields}
        answer = self._answer("POST", "/payments", key=f"order-{order}", json=wanted)
        payment: dict[str, Any] = answer.json()
        is_repeated = answer.headers.get("Idempotent-Replayed") == "true"
        return self.payment(payment["id"]) if is_repeated else payment

    def payment(self, reference: str) -> dict[str, Any]:
        """Return a payment as it is now. A moment's wait spares most shoppers a page that says "wait"."""
        return self._send("GET", f"/payments/{reference}", wait=3)

    def close(self, reference: str) -> dict[str, Any]:
        """Cancel a payment, so that nobody can pay it any more. Return it as it is then.

        It could not be cancelled if somebody is just paying it, or has paid it, or if it has ended already.
        """
        try:
            return self._send("POST", f"/payments/{reference}/cancel")
        except NotPossibleNow:
            return self.payment(reference)

    def add_webhook(self, url: str, key: str) -> dict[str, Any]:
        """Register an address for webhooks. Its ``secret`` is None if the key was used over an hour ago."""
        return self._send("POST", "/webhook-endpoints", key=key, json={"url": url})

    def remove_webhook(self, reference: str) -> None:
        """Have nothing more sent to an address that was registered."""
        self._send("DELETE", f"/webhook-endpoints/{reference}")

    def _send(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        document: dict[str, Any] = self._answer(method, path, **options).json()
        return document

    def _answer(
        self, method: str, path: str, *, key: str = "", wait: int = 0, json: Any = None
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._key}"}
        if key:
            headers["Idempotency-Key"] = key
        if wait:
            headers["Prefer"] = f"wait={wait}"
        try:
            answer = requests.request(
                method, self._api + path, json=json, headers=headers, timeout=TIMEOUT_SECONDS
            )
            document: dict[str, Any] = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise NotDone(f"{method} {path}: {error}") from error
        is_gone = method == "DELETE" and answer.status_code == 404
        if not answer.ok and not is_gone:
            kind = NotPossibleNow if document.get("code") == "not_possible_now" else NotDone
            raise kind(f"{method} {path}: {answer.status_code} {document.get('detail', '')}")
        return answer


def is_genuine(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Return True if the gateway sent this webhook, within the last minutes."""
    event, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or len(sent_at) > LONGEST_TIME:
        return False
    if abs(time.time() - int(sent_at)) > OLDEST_WEBHOOK_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{event}.{sent_at}.".encode() + body, hashlib.sha256)
    expected = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(expected, signature) for signature in given)
