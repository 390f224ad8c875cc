"""Networks from which staff have logged in lately, cached in each process to avoid a query per request."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from axes.models import AccessLog
from django.contrib.auth.signals import user_logged_in
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from checkout.conf import conf
from messaging.concurrency.database import in_thread

# A log-in in another process is noticed after at most this time.
READ_EVERY_SECONDS = 60.0


def _read() -> frozenset[str]:
    recent = AccessLog.objects.filter(attempt_time__gt=timezone.now() - conf.retention)
    return frozenset(recent.exclude(ip_address=None).values_list("ip_address", flat=True).distinct())


class KnownNetworks:
    """The networks. They are read again when they are needed and out of date, at most once per period."""

    def __init__(self, *, read: Callable[[], frozenset[str]] = _read) -> None:
        self._read = read
        self._networks: frozenset[str] = frozenset()
        self._until = 0.0

    async def has(self, network: str | None) -> bool:
        """Return True if staff have lately logged in from ``network``.

        While the database cannot be reached, the result of the last read is used.
        """
        if monotonic() >= self._until:
            self._until = monotonic() + READ_EVERY_SECONDS
            with suppress(OperationalError, InterfaceError):
                self._networks = await in_thread(self._read)
        return network in self._networks

    def read_again(self) -> None:
        """Invalidate the networks, because a user has just logged in."""
        self._until = 0.0


networks = KnownNetworks()


def _on_log_in(**_signal: object) -> None:
    networks.read_again()


def learn_networks() -> None:
    """Set up the signal handler that invalidates the networks after each log-in in this process."""
    user_logged_in.connect(_on_log_in, dispatch_uid="checkout.known_networks")
