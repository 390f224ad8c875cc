"""The installation: its addresses, the proxies that it trusts, and its keys."""

from collections.abc import Sequence
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path

from django.conf import settings
from django.core.mail.message import sanitize_address
from django.utils.crypto import salted_hmac

from checkout.conf.card_keys import TO_MAKE_ONE, CardKey, card_keys_of
from checkout.conf.networks import LOOPBACK
from checkout.errors import CardKeysMisconfigured
from messaging.setting import LONGEST_SECONDS, number, text, texts


class Installation:
    """The installation."""

    card_seconds = number(
        "CHECKOUT_CARD_SECONDS",
        1800,
        "The seconds within which the payments service may use a card that web has sealed.",
        gt=0,
        le=LONGEST_SECONDS,
    )
    crash_at = text(
        "CHECKOUT_CRASH_AT", "", "The crash point at which this process ends, for tests; empty for none."
    )

    replica_lag_seconds = number(
        "CHECKOUT_REPLICA_LAG_SECONDS",
        10,
        "The seconds by which the replica at DATABASE_REPLICA_URL may lag behind. Lists of the back office "
        "are read from the primary if it lags more.",
        gt=0,
    )
    own_apps = texts(
        "CHECKOUT_OWN_APPS",
        "",
        "The Python packages of apps of your own, with commas between them, which add services and steps of "
        "the purchase (docs/own-steps.md).",
        pattern=r"^[\w., ]*$",
    )

    log_format = text(
        "CHECKOUT_LOG_FORMAT",
        "logfmt",
        "The form of a line of the log: logfmt (key=value), or json, with one object in each line.",
        pattern="^(logfmt|json)$",
    )
    metrics_ports = text(
        "CHECKOUT_METRICS_PORTS",
        "",
        "The port at which this process shows its metrics (/metrics), or a range such as 9400-9419, of which "
        "each process takes the first free one. Without it, nothing is counted (docs/monitoring.md).",
        pattern=r"^([0-9]{1,5}(-[0-9]{1,5})?)?$",
    )
    metrics_host = text(
        "CHECKOUT_METRICS_HOST",
        "127.0.0.1",
        "The address at which metrics are shown. All who reach it may read them.",
    )
    trace_url = text(
        "CHECKOUT_TRACE_URL",
        "",
        "The address of a trace in your tracing system, with {trace_id} in place of its id. The back office "
        "leads to it from each payment (docs/traces.md).",
        pattern=r"^(https?://[^\s{}]+\{trace_id\}[^\s{}]*)?$",
    )
    in_place = texts(
        "CHECKOUT_IN_PLACE",
        "",
        "The services of risk, orders, ledger and receipts, with commas between them, whose commands the "
        "checkout service carries out itself, in the transactions of its flows (docs/scaling.md).",
        pattern=r"^[a-z, ]*$",
    )

    @cached_property
    def is_try_out(self) -> bool:
        """Return True if this installation works with the sandbox and with published secrets."""
        return bool(getattr(settings, "CHECKOUT_TRY_OUT", settings.DEBUG))

    def with_loopback_in_try_outs(self, networks: Sequence[str]) -> Sequence[str]:
        """Return ``networks``, to which a try-out adds this machine's loopback networks."""
        return (*networks, *(LOOPBACK if self.is_try_out else ()))

    @cached_property
    def base_dir(self) -> Path:
        """The top folder of the project, or the working directory if the package was installed by pip."""
        return Path(settings.BASE_DIR)

    @cached_property
    def template_folders(self) -> list[Path]:
        """The folders of the project's own templates."""
        folders: list[str] = settings.TEMPLATES[0]["DIRS"]  # type: ignore[assignment]  # object in the stubs
        return [Path(folder) for folder in folders]

    @cached_property
    def email_timeout(self) -> float:
        """The seconds for which the mail server may be silent. Without Django's setting, they are 60."""
        return float(settings.EMAIL_TIMEOUT or 60)

    @cached_property
    def email_domain(self) -> str:
        """The domain of the sender of e-mail, in the form that mail servers expect."""
        sender = sanitize_address(settings.DEFAULT_FROM_EMAIL, "utf-8")
        return parseaddr(sender)[1].rpartition("@")[2]

    @cached_property
    def sandbox_url(self) -> str:
        """The address of the sandbox provider, without a trailing slash."""
        return str(settings.SANDBOX_URL).rstrip("/")

    @cached_property
    def admin_password(self) -> str:
        """The password of the superuser in the example data; empty if none is to be created."""
        return str(getattr(settings, "CHECKOUT_ADMIN_PASSWORD", ""))

    @cached_property
    def secret_keys(self) -> Sequence[str]:
        """The secret keys, newest first.

        Older keys only verify signatures and decrypt, and never sign or encrypt.
        """
        return (str(settings.SECRET_KEY), *map(str, settings.SECRET_KEY_FALLBACKS))

    @cached_property
    def trusted_proxies(self) -> str:
        """The proxies that are trusted to name their clients: uvicorn's setting, see its documentation."""
        return str(getattr(settings, "CHECKOUT_TRUSTED_PROXIES", ""))

    @cached_property
    def host(self) -> str:
        """The name or address on which the web process listens."""
        return str(getattr(settings, "CHECKOUT_HOST", "localhost"))

    @cached_property
    def card_keys(self) -> Sequence[CardKey]:
        """The keys of the card's second seal, newest first. There is at least one.

        If a try-out has none configured, a key is derived from the secret key. Otherwise missing or malformed
        keys raise ``CardKeysMisconfigured``.
        """
        named: Sequence[str] = getattr(settings, "CHECKOUT_CARD_KEYS", ())
        if named:
            return card_keys_of(named)
        if self.is_try_out:
            derived = salted_hmac(
                "checkout.conf.card_keys", "try-out", self.secret_keys[0], algorithm="sha256"
            )
            return (CardKey.of(derived.digest()),)
        raise CardKeysMisconfigured(f"CHECKOUT_CARD_KEYS is not set; {TO_MAKE_ONE}.")
