"""The typed view of this application's settings: the only module here that reads ``django.conf``.

Every value has a Django setting of the same name with the prefix ``CHECKOUT_`` (``PUBLIC_URL`` and
``BROKER_URL`` have none), and a default that suits a laptop. ``checks.py`` refuses combinations that are
wrong in production.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from django.conf import settings
from django.core.signals import setting_changed

from checkout.errors import ProviderMisconfigured


class Conf:
    """Settings, each read once, and again after Django has told of a change, which a test makes."""

    @cached_property
    def is_try_out(self) -> bool:
        """Whether this installation works with the sandbox, and with secrets that everybody knows."""
        return bool(getattr(settings, "CHECKOUT_TRY_OUT", settings.DEBUG))

    @cached_property
    def base_dir(self) -> Path:
        """The project's top folder."""
        return Path(settings.BASE_DIR)

    @cached_property
    def broker_url(self) -> str:
        """``amqp://``, ``amqps://`` or ``memory://``."""
        return str(settings.BROKER_URL)

    @cached_property
    def is_embedded(self) -> bool:
        """Whether web, services and relay share one process and the in-memory broker."""
        return self.broker_url.startswith("memory:")

    @cached_property
    def public_url(self) -> str:
        """Where browsers and providers reach the gateway, without a trailing slash."""
        return str(settings.PUBLIC_URL).rstrip("/")

    @cached_property
    def sandbox_url(self) -> str:
        """Where the sandbox provider is reached, without a trailing slash."""
        return str(settings.SANDBOX_URL).rstrip("/")

    @cached_property
    def admin_password(self) -> str:
        """The password of the back-office user in the example data; empty when there must be none."""
        return str(getattr(settings, "CHECKOUT_ADMIN_PASSWORD", ""))

    @cached_property
    def secret_key(self) -> str:
        """Django's secret key, from which signing keys are derived."""
        return str(settings.SECRET_KEY)

    @cached_property
    def prefix(self) -> str:
        """What the names of exchanges and queues start with."""
        return str(getattr(settings, "CHECKOUT_PREFIX", "checkout"))

    @cached_property
    def reply_budget_seconds(self) -> float:
        """How long a shopper's request is held before the status page takes over."""
        return float(getattr(settings, "CHECKOUT_REPLY_BUDGET_SECONDS", 8.0))

    @cached_property
    def max_waiters(self) -> int:
        """Replies that one process may wait for at once."""
        return int(getattr(settings, "CHECKOUT_MAX_WAITERS", 2000))

    @cached_property
    def max_held(self) -> int:
        """Requests to the checkout that one web process holds at once, whatever they wait for."""
        return int(getattr(settings, "CHECKOUT_MAX_HELD", 5000))

    @cached_property
    def max_held_per_address(self) -> int:
        """How many of them may come from one address (of IPv6: one /64 network)."""
        return int(getattr(settings, "CHECKOUT_MAX_HELD_PER_ADDRESS", 500))

    @cached_property
    def max_sockets(self) -> int:
        """WebSockets that one web process keeps open at once."""
        return int(getattr(settings, "CHECKOUT_MAX_SOCKETS", 10_000))

    @cached_property
    def max_sockets_per_address(self) -> int:
        """How many of them may come from one address (of IPv6: one /64 network)."""
        return int(getattr(settings, "CHECKOUT_MAX_SOCKETS_PER_ADDRESS", 200))

    @cached_property
    def drain_seconds(self) -> float:
        """How long a web process that was told to end still takes connections, so that its end is noticed."""
        return float(getattr(settings, "CHECKOUT_DRAIN_SECONDS", 1.0))

    @cached_property
    def body_seconds(self) -> float:
        """How long a client may take to send a request's body."""
        return float(getattr(settings, "CHECKOUT_BODY_SECONDS", 10.0))

    @cached_property
    def max_body_bytes(self) -> int:
        """The largest request or message body accepted, in bytes."""
        return int(getattr(settings, "CHECKOUT_MAX_BODY_BYTES", 262_144))

    @cached_property
    def outbox_grace_seconds(self) -> float:
        """How long the relay leaves a row to the process that wrote it."""
        return float(getattr(settings, "CHECKOUT_OUTBOX_GRACE_SECONDS", 5.0))

    @cached_property
    def relay_poll_seconds(self) -> float:
        """How often the relay looks for due rows and passed deadlines."""
        return float(getattr(settings, "CHECKOUT_RELAY_POLL_SECONDS", 0.5))

    @cached_property
    def worker_threads(self) -> int:
        """Commands that one service handles at once in one process."""
        return int(getattr(settings, "CHECKOUT_WORKER_THREADS", 8))

    @cached_property
    def database_threads(self) -> int:
        """Threads that run database work for held requests in one process."""
        return int(getattr(settings, "CHECKOUT_DATABASE_THREADS", 8))

    @cached_property
    def database_seconds(self) -> float:
        """How long one statement may take; 0 for as long as it likes, as a migration may need."""
        return float(getattr(settings, "CHECKOUT_DATABASE_SECONDS", 10.0))

    @cached_property
    def challenge_lifetime(self) -> timedelta:
        """How long a shopper may take over a challenge."""
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
        """How old a request must be before a provider's "no such order" means that it never arrived."""
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
    def service_wait(self) -> timedelta:
        """How long one of our own services may take over a command."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_SERVICE_WAIT_SECONDS", 600)))

    @cached_property
    def provider_wait(self) -> timedelta:
        """How long a command that calls a provider may take; longer than the longest provider time-out."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_PROVIDER_WAIT_SECONDS", 120)))

    @cached_property
    def notification_wait(self) -> timedelta:
        """How long a pending operation waits for the provider's notification before the provider is asked."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_NOTIFICATION_WAIT_SECONDS", 1200)))

    @cached_property
    def provider_timeouts(self) -> Mapping[str, float]:
        """Read time-outs in seconds by verb, where they differ from the transport's own; ``connect`` too."""
        timeouts: Mapping[str, float] = getattr(settings, "CHECKOUT_PROVIDER_TIMEOUTS", {})
        return timeouts

    @cached_property
    def checkout_lifetime(self) -> timedelta:
        """How long a payment may stay unpaid before it counts as abandoned."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_ABANDONED_SECONDS", 86_400)))

    @cached_property
    def authorisation_lifetime(self) -> timedelta:
        """How long an authorisation is left without a capture before it is given back."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_AUTHORISATION_SECONDS", 6 * 86_400)))

    @cached_property
    def retention(self) -> timedelta:
        """How long handled messages are remembered; longer than anything is repeated by anybody."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_RETENTION_SECONDS", 30 * 86_400)))

    @cached_property
    def reconciliation_interval(self) -> timedelta:
        """How often the relay compares our books with the providers'."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_RECONCILIATION_SECONDS", 3600)))

    @cached_property
    def crash_at(self) -> str:
        """Where this process shall die, for tests (see ``crash_points``); empty for nowhere."""
        return str(getattr(settings, "CHECKOUT_CRASH_AT", ""))

    @cached_property
    def risk_payments_per_email(self) -> int:
        """Attempts to pay that one e-mail address may make within an hour."""
        return int(getattr(settings, "CHECKOUT_RISK_PAYMENTS_PER_EMAIL", 10_000))

    @cached_property
    def risk_payments_per_ip_address(self) -> int:
        """Attempts to pay that one IP address may make within an hour; loopback addresses are not counted."""
        return int(getattr(settings, "CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS", 10_000))

    @cached_property
    def risk_amount_limits(self) -> Mapping[str, int]:
        """The largest payment accepted, in minor units by currency; other currencies have no limit."""
        limits: Mapping[str, int] = getattr(
            settings, "CHECKOUT_RISK_AMOUNT_LIMITS", {"GBP": 1_000_000, "EUR": 1_000_000, "USD": 1_000_000}
        )
        return limits

    def provider_credentials(self, account: str) -> Mapping[str, str]:
        """Return the secrets of a provider account; raises ``ProviderMisconfigured`` if there are none."""
        try:
            credentials: Mapping[str, str] = settings.CHECKOUT_PROVIDER_CREDENTIALS[account]
        except KeyError:
            raise ProviderMisconfigured(
                f"CHECKOUT_PROVIDER_CREDENTIALS has no entry for the account {account!r}."
            ) from None
        return credentials


conf = Conf()


def _forget(**_change: object) -> None:
    vars(conf).clear()


setting_changed.connect(_forget)
