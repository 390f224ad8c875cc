"""The delays before a saga asks again."""

from checkout.conf import conf

# After so many tries in vain a step that must not be given up is called overdue.
OVERDUE = 3
# After so many answers of a provider that leave a question open, a person must look it up there.
UNDECIDED_ANSWERS = 5


def inquiry_delay(inquiries: int) -> float | None:
    """Seconds until the provider is asked again, after so many inquiries; None when a human shall look."""
    delays = conf.inquiry_delays
    return delays[inquiries] if inquiries < len(delays) else None


def retry_delay(tries: int) -> float:
    """Seconds until what certainly did not happen is tried again, after so many tries; for ever."""
    delays = conf.retry_delays
    return delays[min(tries, len(delays) - 1)]
