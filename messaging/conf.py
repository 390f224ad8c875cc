"""The settings of this package, each a Django setting with a default that suits a laptop."""

from functools import cached_property

from django.conf import settings
from django.core.signals import setting_changed


class Conf:
    """Settings, each read once, and again after Django has told of a change, which a test makes."""

    @cached_property
    def broker_url(self) -> str:
        """``BROKER_URL``: the broker's address, ``amqp://``, ``amqps://`` or ``memory://``."""
        return str(getattr(settings, "BROKER_URL", "memory://"))

    @cached_property
    def is_in_memory(self) -> bool:
        """Return True if the broker lives in this process, so that all programs must, too."""
        return self.broker_url.startswith("memory:")

    @cached_property
    def is_single_broker_user(self) -> bool:
        """``MESSAGING_SINGLE_BROKER_USER``: all programs share one broker user; senders are not compared."""
        return bool(getattr(settings, "MESSAGING_SINGLE_BROKER_USER", self.is_in_memory))

    @cached_property
    def prefix(self) -> str:
        """``MESSAGING_PREFIX``: the beginning of the names of exchanges, queues and users."""
        return str(getattr(settings, "MESSAGING_PREFIX", "messaging"))

    @cached_property
    def app_id(self) -> str:
        """``MESSAGING_APP_ID``: the name that messages bear as that of their application."""
        return str(getattr(settings, "MESSAGING_APP_ID", ""))

    @cached_property
    def max_waiters(self) -> int:
        """``MESSAGING_MAX_WAITERS``: the replies that one process may wait for at once."""
        return int(getattr(settings, "MESSAGING_MAX_WAITERS", 2000))

    @cached_property
    def worker_threads(self) -> int:
        """``MESSAGING_WORKER_THREADS``: the commands that one service handles at once in one process."""
        return int(getattr(settings, "MESSAGING_WORKER_THREADS", 8))

    @cached_property
    def database_threads(self) -> int:
        """``MESSAGING_DATABASE_THREADS``: the threads for database work of code on the event loop."""
        return int(getattr(settings, "MESSAGING_DATABASE_THREADS", 8))

    @cached_property
    def outbox_grace_seconds(self) -> float:
        """``MESSAGING_OUTBOX_GRACE_SECONDS``: the relay leaves a row to its writer for so long."""
        return float(getattr(settings, "MESSAGING_OUTBOX_GRACE_SECONDS", 5.0))

    @cached_property
    def relay_poll_seconds(self) -> float:
        """``MESSAGING_RELAY_POLL_SECONDS``: the time after which a relay that was not woken looks again."""
        return float(getattr(settings, "MESSAGING_RELAY_POLL_SECONDS", 0.5))


conf = Conf()


def _forget(**_change: object) -> None:
    vars(conf).clear()


setting_changed.connect(_forget)
