"""The API for merchants' programs: its limits, and the time for which a request is held."""

from messaging.setting import duration, number, whole

# The API key of a try-out's example data. The key is published, and valid only in try-outs.
TRY_OUT_API_KEY = "sk_test_TryOutTryOutTryOutTryOutTryOut00"

# The versions of the API, the newest last. API keys and webhook endpoints keep the version for which they
# were made.
API_VERSIONS = ("2026-12-01",)
API_VERSION = API_VERSIONS[-1]


class Api:
    """The API."""

    api_requests = whole(
        "CHECKOUT_API_REQUESTS",
        6000,
        "The requests that one API key may make within CHECKOUT_API_WINDOW_SECONDS, over all web processes.",
        ge=1,
    )
    api_window_seconds = whole(
        "CHECKOUT_API_WINDOW_SECONDS",
        60,
        "The seconds in which the requests of an API key are counted.",
        ge=1,
        le=3600,
    )
    api_held_per_key = whole(
        "CHECKOUT_API_HELD_PER_KEY",
        100,
        "The requests of one API key that one web process holds at once.",
        ge=1,
    )
    api_at_once_per_key = whole(
        "CHECKOUT_API_AT_ONCE_PER_KEY",
        500,
        "The requests of one API key that one web process takes at once, whether they wait for a result or "
        "not.",
        ge=1,
    )
    api_wait_seconds = number(
        "CHECKOUT_API_WAIT_SECONDS",
        8,
        "The seconds for which an API request is held that does not say how long it waits.",
        ge=0,
        le=60,
    )
    api_longest_wait_seconds = number(
        "CHECKOUT_API_LONGEST_WAIT_SECONDS",
        30,
        "The longest that an API request may be held, in seconds, whatever it asks for.",
        ge=0,
        le=60,
    )
    idempotency_retention = duration(
        "CHECKOUT_IDEMPOTENCY_SECONDS",
        30 * 86_400,
        "The seconds for which the answer to a request with an Idempotency-Key is kept.",
        gt=0,
    )
