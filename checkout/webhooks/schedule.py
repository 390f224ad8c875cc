"""The published schedule of attempts, and the limits for pausing, warning about and disabling an endpoint.

A test compares these figures with ``docs/webhooks.md``.
"""

import random
from datetime import timedelta

# The pauses after each failed attempt, in seconds. They add up to a little less than three days.
PAUSES = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 64_800, 79_200)
# A pause is shortened by up to a tenth, so that deliveries that failed together are not repeated together.
JITTER = 0.1
MOST_TRIES = len(PAUSES) + 1

# After a problem of the gateway, the pause is a tenth of the delivery's age, within these bounds. If it did
# not grow, senders would spend a long problem on deliveries that they cannot send.
SHORTEST_OWN_SECONDS = 30.0
LONGEST_OWN_SECONDS = 900.0

# Statuses of an overloaded endpoint, or of a proxy that cannot reach its endpoint.
THROTTLING = frozenset({429, 502, 504})
GONE = 410
FIRST_THROTTLE_SECONDS = 5.0
LONGEST_THROTTLE_SECONDS = 300.0
LONGEST_RETRY_AFTER_SECONDS = 6 * 3600.0

# After this number of failures in a row, only one delivery at a time is tried.
FAILURES_TO_OPEN = 10
FIRST_OPEN_SECONDS = 30.0
LONGEST_OPEN_SECONDS = 900.0

WARN_AFTER = timedelta(hours=24)
DISABLE_AFTER = timedelta(hours=72)
# The shortest time between the warning about an endpoint and disabling it.
DISABLE_AFTER_WARNING = timedelta(hours=24)


def pause_after(tries: int) -> float | None:
    """Return the seconds until the next attempt after this number of failures; None if there is none."""
    if tries >= MOST_TRIES:
        return None
    return PAUSES[tries - 1] * random.uniform(1 - JITTER, 1)  # noqa: S311 (spreads load)


def own_pause(age_seconds: float) -> float:
    """Return the seconds until the next attempt, if a problem of the gateway prevented this one."""
    pause = min(max(age_seconds / 10, SHORTEST_OWN_SECONDS), LONGEST_OWN_SECONDS)
    return pause * random.uniform(1 - JITTER, 1)  # noqa: S311 (spreads load)


def endpoint_pause(failures: int, status: int | None, retry_after: float | None) -> float:
    """Return the seconds for which nothing is sent to an endpoint after its latest failure; 0 for none.

    ``failures`` is the number of failures since the last success, including this failure.
    """
    asked = min(retry_after or 0.0, LONGEST_RETRY_AFTER_SECONDS)
    throttled = opened = 0.0
    if status in THROTTLING:
        throttled = min(FIRST_THROTTLE_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_THROTTLE_SECONDS)
    if failures >= FAILURES_TO_OPEN:
        doubled = FIRST_OPEN_SECONDS * 2.0 ** min(failures - FAILURES_TO_OPEN, 10)
        opened = min(doubled, LONGEST_OPEN_SECONDS)
    return max(asked, throttled, opened)
