"""The signed result that a shopper's browser carries back to the shop."""

import json
from collections.abc import Mapping

from django.utils import timezone

from checkout.webhooks.keys import keys_of
from checkout.webhooks.models import WebhookEndpoint
from checkout.webhooks.signing import headers

# The type within the signed text, so that nobody can present the result as an event.
TYPE = "checkout.return"
# Only the oldest endpoints sign, because the address must not become too long.
MOST_ENDPOINTS = 4


def signed_return(merchant: str, result: Mapping[str, str | int]) -> dict[str, str]:
    """Return the query that tells a merchant's page the ``result`` of a payment.

    The query is signed like a webhook, with the secrets of the merchant's enabled endpoints. The payment's id
    takes the place of the webhook's id, and the value of ``result`` that of the body. Only ``v1`` is sent, to
    keep the address short. If no secret can sign, the query is empty.
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
