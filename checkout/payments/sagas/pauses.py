"""The times for which sagas wait: for answers, and before they ask again."""

from datetime import timedelta

from checkout.conf import conf

# The number of failed tries after which a step that must not be given up is reported as overdue.
OVERDUE = 3
# The number of inconclusive answers after which a person must look the operation up at the provider.
UNDECIDED_ANSWERS = 5
# The number of answers that an operation was not carried out, after which staff must look into it: the
# provider has no such order, or the account may not do that. With the usual pauses that is after 3½ hours.
DENIALS = 10
# The time after which staff must look into an operation that could not be sent at all.
UNREACHED_FOR = timedelta(days=7)


def inquiry_delay(inquiries: int) -> float | None:
    """Return the seconds until the next inquiry, after so many of them; None if a human must look."""
    delays = conf.inquiry_delays
    return delays[inquiries] if inquiries < len(delays) else None


def retry_delay(tries: int) -> float:
    """Return the seconds until a step that must not be given up is tried again. There is no last try."""
    delays = conf.retry_delays
    return delays[min(tries, len(delays) - 1)]


def next_try(tries: int, denials: int) -> float | None:
    """Return the seconds until a capture, void or refund that was not carried out is sent again.

    ``tries`` were in vain before this one, and the provider has answered ``denials`` of them all. The result
    is None if the operation is to be parked for staff: the provider, or our account, must be mended first. An
    outage does not make thousands of decisions, so a provider that is not reached is tried for days.
    """
    waited = sum(retry_delay(number) for number in range(tries))
    if denials >= DENIALS or waited >= UNREACHED_FOR.total_seconds():
        return None
    return retry_delay(tries)


def service_wait() -> timedelta:
    """Return the time within which a service of ours answers."""
    return conf.service_wait


def provider_wait() -> timedelta:
    """Return the time within which the payments service answers a command that makes it ask the provider."""
    return conf.provider_wait


def notification_wait() -> timedelta:
    """Return the time within which the provider sends a notification of an operation that it accepted."""
    return conf.notification_wait
