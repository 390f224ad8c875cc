"""The waiting times of sagas: for answers, and before they ask again."""

from datetime import timedelta

from checkout.conf import conf

# The number of failed tries after which a step that must not be given up is reported as overdue.
OVERDUE = 3
# The number of inconclusive answers after which staff must look the operation up at the provider.
UNDECIDED_ANSWERS = 5
# The number of denials after which staff must look into an operation: the provider has no such order, or the
# account may not make the request. With the usual pauses, that is after 3½ hours.
DENIALS = 10
# The time after which staff must look into an operation that could never be sent.
UNREACHED_FOR = timedelta(days=7)


def inquiry_delay(inquiries: int) -> float | None:
    """Return the seconds until the next inquiry, after ``inquiries`` of them; None if staff must decide."""
    delays = conf.inquiry_delays
    return delays[inquiries] if inquiries < len(delays) else None


def retry_delay(tries: int) -> float:
    """Return the seconds until the next try of a step that is never given up, after ``tries`` of them."""
    delays = conf.retry_delays
    return delays[min(tries, len(delays) - 1)]


def next_try(tries: int, denials: int) -> float | None:
    """Return the seconds until a capture, void or refund that was not carried out is sent again.

    There were ``tries`` before this one, and the provider has answered ``denials`` of them. None means that
    the operation is to be parked for staff, because something at the provider, or in our account there, must
    be mended first. While the provider cannot be reached, requests are tried for days, so that an outage does
    not park thousands of operations.
    """
    waited = sum(retry_delay(number) for number in range(tries))
    if denials >= DENIALS or waited >= UNREACHED_FOR.total_seconds():
        return None
    return retry_delay(tries)


def service_wait() -> timedelta:
    """Return the time within which a service of ours answers."""
    return conf.service_wait


def provider_wait() -> timedelta:
    """Return the time within which the payments service answers a command that queries the provider."""
    return conf.provider_wait


def notification_wait() -> timedelta:
    """Return the time within which the provider notifies us of the outcome of an accepted operation."""
    return conf.notification_wait
