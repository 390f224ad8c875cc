"""Times: of waiting, of asking again, and of keeping things."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property

from django.conf import settings


class Times:
    """See the module."""

    @cached_property
    def reply_budget_seconds(self) -> float:
        """The seconds for which a shopper's request is held before the status page takes over."""
        return float(getattr(settings, "CHECKOUT_REPLY_BUDGET_SECONDS", 8.0))

    @cached_property
    def drain_seconds(self) -> float:
        """The seconds for which a process that was told to end takes connections, so that this is noticed."""
        return float(getattr(settings, "CHECKOUT_DRAIN_SECONDS", 1.0))

    @cached_property
    def challenge_lifetime(self) -> timedelta:
        """The time that a shopper may take over a challenge."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_CHALLENGE_SECONDS", 900)))

    @cached_property
    def max_challenges(self) -> int:
        """Challenges per attempt before it is given up as not authenticated."""
        return int(getattr(settings, "CHECKOUT_MAX_CHALLENGES", 2))

    @cached_property
    def challenge_window(self) -> str:
        """``fullPage``, or a window size such as ``390x400`` to challenge in an iframe."""
        return str(getattr(settings, "CHECKOUT_CHALLENGE_WINDOW", "fullPage"))

    @cached_property
    def settling_time(self) -> timedelta:
        """The age of a request from which a provider's "no such order" means that it never arrived."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_SETTLING_SECONDS", 180)))

    @cached_property
    def inquiry_delays(self) -> Sequence[float]:
        """Seconds until a provider is asked, and asked again, what became of an unknown outcome.

        5 s, 15 s, 45 s, 2 min, 10 min, then every hour for three days; after the last one a human looks.
        """
        delays = getattr(settings, "CHECKOUT_INQUIRY_DELAYS", (5, 15, 45, 120, 600, *[3600] * 72))
        return tuple(float(delay) for delay in delays)

    @cached_property
    def retry_delays(self) -> Sequence[float]:
        """Seconds until a step that certainly did not happen is tried again; the last one repeats."""
        delays = getattr(settings, "CHECKOUT_RETRY_DELAYS", (1, 5, 15, 60, 300, 900, 3600))
        return tuple(float(delay) for delay in delays)

    @cached_property
    def repeat_delays(self) -> Sequence[float]:
        """Seconds until a service that answered with a passing error, or with nonsense, is asked again.

        After the last one the answer counts as an error that stands.
        """
        delays = getattr(settings, "CHECKOUT_REPEAT_DELAYS", (1, 2, 4))
        return tuple(float(delay) for delay in delays)

    @cached_property
    def service_wait(self) -> timedelta:
        """The time that one of our own services may take over a command."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_SERVICE_WAIT_SECONDS", 600)))

    @cached_property
    def provider_wait(self) -> timedelta:
        """The time that a command to call a provider may take; longer than the longest provider time-out."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_PROVIDER_WAIT_SECONDS", 120)))

    @cached_property
    def notification_wait(self) -> timedelta:
        """The time after which the provider is asked about a pending operation without a notification."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_NOTIFICATION_WAIT_SECONDS", 1200)))

    @cached_property
    def checkout_lifetime(self) -> timedelta:
        """The time for which a payment may stay unpaid before it counts as abandoned."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_ABANDONED_SECONDS", 86_400)))

    @cached_property
    def authorisation_lifetime(self) -> timedelta:
        """The time for which an authorisation is left without a capture before it is given back."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_AUTHORISATION_SECONDS", 6 * 86_400)))

    @cached_property
    def retention(self) -> timedelta:
        """The time for which handled messages are remembered; longer than anything is repeated by anybody."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_RETENTION_SECONDS", 30 * 86_400)))

    @cached_property
    def reconciliation_interval(self) -> timedelta:
        """The time after which the relay again compares our books with the providers'."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_RECONCILIATION_SECONDS", 3600)))
