"""The signed result that a shopper's browser carries back to the shop."""

import json
from collections.abc import Mapping

from django.utils import timezone

from checkout.webhooks.keys import keys_of
from checkout.webhooks.models import WebhookEndpoint
from checkout.webhooks.signing import headers

# The type of the signed text, so that it cannot pass for an event.
TYPE = "checkout.return"
# The endpoints whose secrets sign: an address must not become too long. The oldest come first.
MOST_ENDPOINTS = 4


def signed_return(merchant: str, result: Mapping[str, str | int]) -> dict[str, str]:
    """Return the query that tells a merchant's page the ``result`` of a payment.

    It is signed like a webhook, with the secrets of the merchant's enabled endpoints: the id is the
    payment's, and the body is the value of ``result``. ``v1`` alone is sent, because of its length. If no
    secret can sign, the query is empty.
    """
    enabled = WebhookEndpoint.State.ENABLED
    endpoints = list(WebhookEndpoint.objects.filter(merchant=merchant, state=enabled).order_by("pk"))
    keys = [key for found in keys_of(endpoints[:MOST_ENDPOINTS]).values() for key in found or ()]
    if not keys:
        return {}
    body = json.dumps({"type": TYPE, **result}, separators=(",", ":"))
    signed = headers(str(result["payment"]), int(timezone.now().timestamp()), body.encode(), keys)
    signatures = signed["webhook-signature"].split(" ")
    return {
        "result": body,
        "timestamp": signed["webhook-timestamp"],
        "signature": " ".join(each for each in signatures if each.startswith("v1,")),
    }
