"""The times for which sagas wait: for answers, and before they ask again."""

from datetime import timedelta

from checkout.conf import conf

# The number of failed tries after which a step that must not be given up is reported as overdue.
OVERDUE = 3
# The number of inconclusive answers after which a person must look the operation up at the provider.
UNDECIDED_ANSWERS = 5


def inquiry_delay(inquiries: int) -> float | None:
    """Return the seconds until the next inquiry, after so many of them; None if a human must look."""
    delays = conf.inquiry_delays
    return delays[inquiries] if inquiries < len(delays) else None


def retry_delay(tries: int) -> float:
    """Return the seconds until a request that certainly had no effect is sent again. There is no last try."""
    delays = conf.retry_delays
    return delays[min(tries, len(delays) - 1)]


def service_wait() -> timedelta:
    """Return the time within which a service of ours answers."""
    return conf.service_wait


def provider_wait() -> timedelta:
    """Return the time within which the payments service answers a command that makes it ask the provider."""
    return conf.provider_wait


def notification_wait() -> timedelta:
    """Return the time within which the provider sends a notification of an operation that it accepted."""
    return conf.notification_wait
