"""Times: how long to wait, when to try again, and how long to keep data."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from messaging.setting import LONGEST_SECONDS, Setting, duration, number, text, whole


def _delays(name: str, default: list[float], help: str) -> Setting[Sequence[float]]:
    return Setting(
        name,
        default,
        help,
        type=list[Annotated[float, Field(ge=0, le=LONGEST_SECONDS)]],
        read=lambda value: tuple(float(each) for each in value),
        min_length=0 if name == "CHECKOUT_REPEAT_DELAYS" else 1,
    )


class Times:
    """Times."""

    reply_budget_seconds = number(
        "CHECKOUT_REPLY_BUDGET_SECONDS",
        8,
        "The seconds for which a shopper's request is held before the status page takes over.",
        gt=0,
        le=60,
    )
    remember_seconds = number(
        "CHECKOUT_REMEMBER_SECONDS",
        1.0,
        "The seconds for which a web process remembers an API key, a merchant and a provider account that it "
        "has read. A change of them by staff, such as a revoked key, takes effect within this time. With 0 "
        "they are read for each request.",
        ge=0,
        le=60,
    )
    drain_seconds = number(
        "CHECKOUT_DRAIN_SECONDS",
        1,
        "The seconds for which a web process still accepts connections after SIGTERM, so that a load "
        "balancer notices that the process is about to end.",
        ge=0,
    )
    challenge_lifetime = duration(
        "CHECKOUT_CHALLENGE_SECONDS", 900, "The seconds that a shopper may take for a challenge.", gt=0
    )
    max_challenges = whole(
        "CHECKOUT_MAX_CHALLENGES",
        2,
        "The challenges of one attempt after which the attempt is given up as not authenticated.",
        ge=1,
    )
    challenge_window = text(
        "CHECKOUT_CHALLENGE_WINDOW",
        "fullPage",
        "fullPage, or the size of an iframe for a challenge: 250x400, 390x400, 500x600 or 600x400.",
        pattern="^(250x400|390x400|500x600|600x400|fullPage)$",
    )
    settling_time = duration(
        "CHECKOUT_SETTLING_SECONDS",
        180,
        "The seconds within which a request to a provider arrives there, or never does.",
        ge=0,
    )
    order_lag = duration(
        "CHECKOUT_ORDER_LAG_SECONDS",
        300,
        "The seconds after which a provider's queries show an order that has arrived. Only then is its "
        '"no such order" believed. Worldpay says: at least 5 minutes.',
        ge=0,
    )
    modification_lag = duration(
        "CHECKOUT_MODIFICATION_LAG_SECONDS",
        1200,
        "The seconds after which a provider's queries show a capture, void or refund that has arrived. "
        "Only then is it sent again because they do not show it. Worldpay says: typically within 15 minutes, "
        "and 5 more for queries.",
        ge=0,
    )
    queue_time = duration(
        "CHECKOUT_QUEUE_SECONDS",
        259_200,
        "The seconds for which a request may wait at a provider, where no query shows it, before it is "
        "carried out. Worldpay tries some captures for three days.",
        ge=0,
    )
    inquiry_delays = _delays(
        "CHECKOUT_INQUIRY_DELAYS",
        [5, 15, 45, 120, 300, 900, *[3600] * 72],
        "The seconds before each query to a provider about an operation whose outcome is unknown, and before "
        "each repeated deletion of a token. If the last one leaves the outcome unknown, staff decide.",
    )
    retry_delays = _delays(
        "CHECKOUT_RETRY_DELAYS",
        [1, 5, 15, 60, 300, 900, 3600],
        "The seconds before each repetition of a step that was certainly not carried out. The last delay "
        "is used again without limit.",
    )
    repeat_delays = _delays(
        "CHECKOUT_REPEAT_DELAYS",
        [1, 2, 4],
        "The seconds before each repetition of a command that was answered with a retryable error or with a "
        "malformed reply. The answer to the last repetition counts as a permanent error.",
    )
    service_wait = duration(
        "CHECKOUT_SERVICE_WAIT_SECONDS",
        600,
        "The seconds that one of our own services may take to answer a command.",
        gt=0,
    )
    provider_wait = duration(
        "CHECKOUT_PROVIDER_WAIT_SECONDS",
        120,
        "The seconds that the payments service may take to answer a command for which it calls a provider; "
        "more than the longest provider time-out.",
        gt=0,
    )
    notification_wait = duration(
        "CHECKOUT_NOTIFICATION_WAIT_SECONDS",
        1200,
        "The seconds after which the provider is queried about a pending operation for which no notification "
        "has arrived.",
        gt=0,
    )
    checkout_lifetime = duration(
        "CHECKOUT_ABANDONED_SECONDS",
        86_400,
        "The seconds for which a payment may stay unpaid before it counts as abandoned.",
        gt=0,
    )
    authorisation_lifetime = duration(
        "CHECKOUT_AUTHORISATION_SECONDS",
        6 * 86_400,
        "The seconds after which an authorisation without a capture is voided.",
        gt=0,
    )
    retention = duration(
        "CHECKOUT_RETENTION_SECONDS",
        30 * 86_400,
        "The seconds for which handled messages are remembered; longer than any sender repeats a message.",
        gt=0,
    )
    event_retention = duration(
        "CHECKOUT_EVENT_SECONDS",
        90 * 86_400,
        "The seconds for which events of payments are kept; at least six days more than "
        "CHECKOUT_RETENTION_SECONDS and 36 days in all, so that every webhook in the log can be sent again. "
        "The latest events of a payment stay with the payment.",
        gt=0,
    )
    reconciliation_interval = duration(
        "CHECKOUT_RECONCILIATION_SECONDS",
        3600,
        "The seconds between two comparisons of our books with the providers' books by the relay.",
        gt=0,
    )
    database_seconds = number(
        "CHECKOUT_DATABASE_SECONDS",
        10,
        "The seconds that one SQL statement may take at most; 0 for no limit, which a migration may need.",
        ge=0,
        le=86_400,  # PostgreSQL's limit is a few weeks
    )
