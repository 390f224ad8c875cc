"""Webhooks to merchants: the networks that they may reach, and how many are sent at once."""

from messaging.setting import duration, text, texts, whole


class Webhooks:
    """Webhooks."""

    webhook_allowed_networks = texts(
        "CHECKOUT_WEBHOOK_ALLOWED_NETWORKS",
        "",
        "Networks, in addition to the public internet, in which merchants' webhook endpoints may be, with "
        "plain HTTP and any port. A try-out adds loopback.",
    )
    webhook_concurrency = whole(
        "CHECKOUT_WEBHOOK_CONCURRENCY",
        200,
        "The webhooks that one process sends at once.",
        ge=1,
        le=2000,
    )
    webhook_endpoint_concurrency = whole(
        "CHECKOUT_WEBHOOK_ENDPOINT_CONCURRENCY",
        10,
        "The webhooks that one process sends to one endpoint at once, so that a slow one delays no other.",
        ge=1,
        le=200,
    )
    webhook_merchant_concurrency = whole(
        "CHECKOUT_WEBHOOK_MERCHANT_CONCURRENCY",
        50,
        "The webhooks that one process sends to all endpoints of one merchant at once, so that a merchant "
        "with many slow ones delays no other. It should be a part of CHECKOUT_WEBHOOK_CONCURRENCY.",
        ge=1,
        le=2000,
    )
    webhook_secret_overlap = duration(
        "CHECKOUT_WEBHOOK_OVERLAP_SECONDS",
        24 * 3600,
        "The seconds for which the old secret of a webhook endpoint still signs beside the new one.",
        ge=0,
    )
    operators_email = text(
        "CHECKOUT_OPERATORS_EMAIL",
        "",
        "The address to which the gateway writes before and after it disables a webhook endpoint. "
        "Empty for none.",
    )
