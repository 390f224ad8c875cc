"""Verification of webhooks: Standard Webhooks, with the signatures ``v1``."""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import cast

from payments_gateway_client.models import WebhookEvent

TOLERANCE_SECONDS = 300.0


class WebhookNotGenuine(Exception):
    """The request was not signed with one of the secrets, or is too old, or too new."""


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    *secrets: str,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> WebhookEvent:
    """Return the event of a webhook. Raises ``WebhookNotGenuine``.

    ``body`` has the bytes as they came, before a framework has parsed them. Give each secret (``whsec_…``)
    that may have signed: the old and the new one while one is being replaced, or those of several endpoints.
    One valid signature is enough. Raises ``ValueError`` if one of the secrets is malformed.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message, at = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not message or not (at.isascii() and at.isdigit() and len(at) < 16):
        raise WebhookNotGenuine("The headers of a webhook are missing.")
    if abs(time.time() - int(at)) > tolerance_seconds:
        raise WebhookNotGenuine("The webhook is too old, or too new.")
    text = f"{message}.{at}.".encode() + body
    signatures = given.get("webhook-signature", "").encode().split(b" ")
    expected = [_signature(secret, text) for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in signatures for other in expected):
        raise WebhookNotGenuine("No signature is valid.")
    return cast(WebhookEvent, json.loads(body))


def _signature(secret: str, text: bytes) -> bytes:
    key = b64decode(secret.removeprefix("whsec_"), validate=True)
    if not key:
        raise ValueError("A secret of a webhook endpoint is empty.")
    return b"v1," + b64encode(hmac.digest(key, text, hashlib.sha256))
