"""The process environment, read and checked once. One error names everything that is wrong."""

import re
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, FilePath, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from checkout.card_keys import card_keys_of
from checkout.errors import CardKeysMisconfigured
from checkout.proxies import is_everybody, names_of

DEVELOPMENT_KEY = "development-only-key-that-production-refuses-to-start-with"

DEVELOPMENT_PASSWORD = "checkout-admin"  # noqa: S105

# The sandbox's published credentials: worth nothing anywhere else.
SANDBOX_CREDENTIALS = {
    "user": "sandbox",
    "password": "sandbox-password",
    "mac_key": "sandbox-mac-key-for-device-data-and-challenges",
    "issuer": "sandbox-issuer",
    "organisational_unit": "sandbox-unit",
    "notification_secret": "sandbox-notification-secret",
}

# Worldpay's, and those of Cardinal Commerce, where browsers leave device data and begin challenges. Both have
# a live and a test environment.
WORLDPAY_HOSTS = [
    "secure.worldpay.com",
    "secure-test.worldpay.com",
    "payments.worldpay.com",
    "centinelapi.cardinalcommerce.com",
    "centinelapistag.cardinalcommerce.com",
]
# A name whose last label begins with a letter: no IP address in any notation. Perhaps a port.
_PROVIDER_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?"
)


class Environment(BaseSettings):
    """Everything that differs between installations. Names are the environment variables' names."""

    # What is wrong is named without its value, which may be a secret.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    debug: bool = Field(default=True, alias="DEBUG")
    try_out: bool = Field(default_factory=lambda data: data["debug"], alias="CHECKOUT_TRY_OUT")
    secret_key: SecretStr = Field(default=SecretStr(DEVELOPMENT_KEY), alias="SECRET_KEY")
    # Keys of before, the newest first: what they have signed is still good.
    secret_key_fallbacks: Annotated[list[SecretStr], NoDecode] = Field(
        default=[], alias="SECRET_KEY_FALLBACKS"
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["localhost", "127.0.0.1", "[::1]"], alias="ALLOWED_HOSTS"
    )
    # Addresses with passwords in them.
    database_url: SecretStr = Field(default=SecretStr("sqlite:///db.sqlite3"), alias="DATABASE_URL")
    database_pool_size: int = Field(default=10, ge=1, alias="CHECKOUT_DATABASE_POOL_SIZE")
    database_seconds: float = Field(default=10, ge=0, alias="CHECKOUT_DATABASE_SECONDS")
    broker_url: SecretStr = Field(default=SecretStr("memory://"), alias="BROKER_URL")
    # In one process there is one user anyway.
    single_broker_user: bool = Field(
        default_factory=lambda data: data["broker_url"].get_secret_value().startswith("memory:"),
        alias="CHECKOUT_SINGLE_BROKER_USER",
    )
    host: str = Field(default="localhost", alias="HOST")
    # uvicorn reads it by itself, and has the same default.
    forwarded_allow_ips: str = Field(default="127.0.0.1", alias="FORWARDED_ALLOW_IPS")
    public_url: str = Field(default="http://localhost:8000", alias="PUBLIC_URL")
    sandbox_url: str = Field(default="http://127.0.0.1:8001", alias="SANDBOX_URL")

    provider_credentials: dict[str, dict[str, str]] = Field(
        default={}, alias="CHECKOUT_PROVIDER_CREDENTIALS", repr=False
    )
    provider_hosts: Annotated[list[str], NoDecode] = Field(
        default=WORLDPAY_HOSTS, alias="CHECKOUT_PROVIDER_HOSTS"
    )
    provider_networks: Annotated[list[IPvAnyNetwork], NoDecode] = Field(
        default=[], alias="CHECKOUT_PROVIDER_NETWORKS"
    )
    provider_ca_file: FilePath | None = Field(default=None, alias="CHECKOUT_PROVIDER_CA_FILE")

    card_keys: Annotated[list[SecretStr], NoDecode] = Field(default=[], alias="CHECKOUT_CARD_KEYS")
    card_seconds: float = Field(default=1800, gt=0, alias="CHECKOUT_CARD_SECONDS")

    admin_password: SecretStr = Field(default=SecretStr(""), alias="CHECKOUT_ADMIN_PASSWORD")

    prefix: str = Field(default="checkout", alias="CHECKOUT_PREFIX")
    reply_budget_seconds: float = Field(default=8.0, gt=0, le=60, alias="CHECKOUT_REPLY_BUDGET_SECONDS")
    max_waiters: int = Field(default=2000, ge=1, alias="CHECKOUT_MAX_WAITERS")
    max_held: int = Field(default=5000, ge=1, alias="CHECKOUT_MAX_HELD")
    max_held_per_address: int = Field(default=500, ge=1, alias="CHECKOUT_MAX_HELD_PER_ADDRESS")
    max_sockets: int = Field(default=10_000, ge=1, alias="CHECKOUT_MAX_SOCKETS")
    max_sockets_per_address: int = Field(default=200, ge=1, alias="CHECKOUT_MAX_SOCKETS_PER_ADDRESS")
    max_hints_per_address: int = Field(default=60, ge=1, alias="CHECKOUT_MAX_HINTS_PER_ADDRESS")
    max_hints_per_account: int = Field(default=600, ge=1, alias="CHECKOUT_MAX_HINTS_PER_ACCOUNT")
    max_questions_per_account: int = Field(default=60, ge=1, alias="CHECKOUT_MAX_QUESTIONS_PER_ACCOUNT")
    pages_at_once: int = Field(default=8, ge=1, alias="CHECKOUT_PAGES_AT_ONCE")
    max_pages: int = Field(default=500, ge=1, alias="CHECKOUT_MAX_PAGES")
    max_pages_per_address: int = Field(default=50, ge=1, alias="CHECKOUT_MAX_PAGES_PER_ADDRESS")
    passwords_at_once: int = Field(default=1, ge=1, alias="CHECKOUT_PASSWORDS_AT_ONCE")
    max_log_ins: int = Field(default=20, ge=1, alias="CHECKOUT_MAX_LOG_INS")
    max_log_ins_per_address: int = Field(default=5, ge=1, alias="CHECKOUT_MAX_LOG_INS_PER_ADDRESS")
    max_body_bytes: int = Field(default=262_144, ge=1, alias="CHECKOUT_MAX_BODY_BYTES")
    body_seconds: float = Field(default=10.0, gt=0, alias="CHECKOUT_BODY_SECONDS")
    body_bytes_per_second: float = Field(default=500, ge=0, alias="CHECKOUT_BODY_BYTES_PER_SECOND")
    body_grace_seconds: float = Field(default=3.0, gt=0, alias="CHECKOUT_BODY_GRACE_SECONDS")
    header_seconds: float = Field(default=10.0, gt=0, alias="CHECKOUT_HEADER_SECONDS")
    send_seconds: float = Field(default=30.0, gt=0, alias="CHECKOUT_SEND_SECONDS")
    max_connections: int = Field(default=20_000, ge=1, alias="CHECKOUT_MAX_CONNECTIONS")
    max_connections_per_address: int = Field(default=1000, ge=1, alias="CHECKOUT_MAX_CONNECTIONS_PER_ADDRESS")
    drain_seconds: float = Field(default=1.0, ge=0, alias="CHECKOUT_DRAIN_SECONDS")
    worker_threads: int = Field(default=8, ge=1, alias="CHECKOUT_WORKER_THREADS")
    database_threads: int = Field(default=8, ge=1, alias="CHECKOUT_DATABASE_THREADS")
    outbox_grace_seconds: float = Field(default=5.0, gt=0, alias="CHECKOUT_OUTBOX_GRACE_SECONDS")
    relay_poll_seconds: float = Field(default=0.5, gt=0, alias="CHECKOUT_RELAY_POLL_SECONDS")
    challenge_seconds: float = Field(default=900, gt=0, alias="CHECKOUT_CHALLENGE_SECONDS")
    challenge_window: str = Field(
        default="fullPage",
        pattern="^(250x400|390x400|500x600|600x400|fullPage)$",
        alias="CHECKOUT_CHALLENGE_WINDOW",
    )

    settling_seconds: float = Field(default=180, ge=0, alias="CHECKOUT_SETTLING_SECONDS")
    inquiry_delays: list[float] = Field(
        default=[5, 15, 45, 120, 600, *[3600] * 72], min_length=1, alias="CHECKOUT_INQUIRY_DELAYS"
    )
    retry_delays: list[float] = Field(
        default=[1, 5, 15, 60, 300, 900, 3600], min_length=1, alias="CHECKOUT_RETRY_DELAYS"
    )
    repeat_delays: list[float] = Field(default=[1, 2, 4], alias="CHECKOUT_REPEAT_DELAYS")
    service_wait_seconds: float = Field(default=600, gt=0, alias="CHECKOUT_SERVICE_WAIT_SECONDS")
    provider_wait_seconds: float = Field(default=120, gt=0, alias="CHECKOUT_PROVIDER_WAIT_SECONDS")
    notification_wait_seconds: float = Field(default=1200, gt=0, alias="CHECKOUT_NOTIFICATION_WAIT_SECONDS")
    provider_timeouts: dict[str, float] = Field(default={}, alias="CHECKOUT_PROVIDER_TIMEOUTS")
    checkout_seconds: float = Field(default=86_400, gt=0, alias="CHECKOUT_ABANDONED_SECONDS")
    authorisation_seconds: float = Field(default=6 * 86_400, gt=0, alias="CHECKOUT_AUTHORISATION_SECONDS")
    retention_seconds: float = Field(default=30 * 86_400, gt=0, alias="CHECKOUT_RETENTION_SECONDS")
    reconciliation_seconds: float = Field(default=3600, gt=0, alias="CHECKOUT_RECONCILIATION_SECONDS")
    crash_at: str = Field(default="", alias="CHECKOUT_CRASH_AT")
    risk_payments_per_email: int = Field(default=100, ge=1, alias="CHECKOUT_RISK_PAYMENTS_PER_EMAIL")
    risk_payments_per_ip_address: int = Field(
        default=1000, ge=1, alias="CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS"
    )
    risk_amount_limits: dict[str, int] = Field(
        default={"GBP": 1_000_000, "EUR": 1_000_000, "USD": 1_000_000}, alias="CHECKOUT_RISK_AMOUNT_LIMITS"
    )
    max_attempts: int = Field(default=10, ge=1, le=1000, alias="CHECKOUT_MAX_ATTEMPTS")
    declines_seconds: float = Field(default=3600, gt=0, alias="CHECKOUT_DECLINES_SECONDS")
    declines_per_address: int = Field(default=20, ge=1, alias="CHECKOUT_DECLINES_PER_ADDRESS")
    declines_per_email: int = Field(default=10, ge=1, alias="CHECKOUT_DECLINES_PER_EMAIL")
    declines_per_merchant: int = Field(default=300, ge=1, alias="CHECKOUT_DECLINES_PER_MERCHANT")
    attack_pace_seconds: float = Field(default=5.0, gt=0, le=15, alias="CHECKOUT_ATTACK_PACE_SECONDS")
    captcha: str = Field(default="checkout.captcha.NoCaptcha", alias="CHECKOUT_CAPTCHA")
    captcha_always: bool = Field(default=False, alias="CHECKOUT_CAPTCHA_ALWAYS")
    login_failures: int = Field(default=5, ge=1, alias="CHECKOUT_LOGIN_FAILURES")
    login_lock_seconds: float = Field(default=900, gt=0, alias="CHECKOUT_LOGIN_LOCK_SECONDS")
    session_idle_seconds: float = Field(default=1800, gt=0, alias="CHECKOUT_SESSION_IDLE_SECONDS")
    session_seconds: float = Field(default=8 * 3600, gt=0, alias="CHECKOUT_SESSION_SECONDS")

    @field_validator(
        "allowed_hosts",
        "card_keys",
        "provider_hosts",
        "provider_networks",
        "secret_key_fallbacks",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("card_keys")
    @classmethod
    def _card_keys_are_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        try:
            card_keys_of(key.get_secret_value() for key in value)
        except CardKeysMisconfigured as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("provider_hosts")
    @classmethod
    def _providers_have_names(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if not _PROVIDER_HOST.fullmatch(host):
                raise ValueError(
                    f"CHECKOUT_PROVIDER_HOSTS has {host!r}, which is no host name in lower case, "
                    "perhaps with a port, such as secure.worldpay.com"
                )
        return hosts

    @model_validator(mode="after")
    def _production_needs_its_own_secret(self) -> "Environment":
        if not self.try_out and self.secret_key.get_secret_value() == DEVELOPMENT_KEY:
            raise ValueError("SECRET_KEY must be set for anything but a try-out")
        if not self.try_out and SecretStr(DEVELOPMENT_KEY) in self.secret_key_fallbacks:
            raise ValueError("SECRET_KEY_FALLBACKS has the published key, which proves nothing")
        return self

    @model_validator(mode="after")
    def _production_shows_nobody_its_insides(self) -> "Environment":
        if not self.try_out and self.debug:
            raise ValueError("DEBUG must be off for anything but a try-out")
        return self

    @model_validator(mode="after")
    def _production_loses_and_believes_nothing_it_must_not(self) -> "Environment":
        """Refuse what ``check --deploy`` refuses too, and what would be found out too late without it."""
        if self.try_out:
            return self
        faults = []
        url = urlsplit(self.public_url)
        if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.hostname or "")):
            # Without a user name and a password, if it has any.
            host = url.netloc.rpartition("@")[2] or "<host>"
            faults.append(
                "PUBLIC_URL is not https://, so that sessions of staff and tokens of shoppers could be read "
                f"on the way. Set it to https://{host} and let a proxy in front end TLS"
            )
        if self.broker_url.get_secret_value().startswith("memory:"):
            faults.append(
                "BROKER_URL is memory://, with which queued messages are lost when the process ends. "
                "Set it to amqp:// or amqps:// with the user of this program"
            )
        if everybody := [name for name in names_of(self.forwarded_allow_ips) if is_everybody(name)]:
            faults.append(
                f"FORWARDED_ALLOW_IPS has {', '.join(everybody)}, so that a client has whatever address it "
                "sends in X-Forwarded-For. Set it to the addresses or networks of the proxies in front"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _a_try_out_is_reached_from_this_machine_only(self) -> "Environment":
        """Its key, its passwords and its provider are published."""
        if not self.try_out:
            return self
        reached_at = {
            "PUBLIC_URL": [_host_of(self.public_url)],
            "ALLOWED_HOSTS": self.allowed_hosts,
            "HOST": [self.host],
        }
        for name, hosts in reached_at.items():
            for host in hosts:
                if not _is_loopback(host):
                    raise ValueError(
                        f"{name} is {host}, and a try-out serves this machine only: "
                        "its passwords are published. "
                        "Set DEBUG=false, CHECKOUT_TRY_OUT=false and a SECRET_KEY of your own, "
                        "or leave only names such as localhost"
                    )
        return self

    @model_validator(mode="after")
    def _production_does_not_crash_on_request(self) -> "Environment":
        if not self.try_out and self.crash_at:
            raise ValueError("CHECKOUT_CRASH_AT is for tests: CHECKOUT_TRY_OUT must be on")
        return self

    @model_validator(mode="after")
    def _the_sandbox_needs_no_set_up(self) -> "Environment":
        if self.try_out:
            self.provider_credentials.setdefault("sandbox", SANDBOX_CREDENTIALS)
            if not self.admin_password.get_secret_value():
                self.admin_password = SecretStr(DEVELOPMENT_PASSWORD)
        return self


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def _is_loopback(host: str) -> bool:
    """Return True for a name or an address by which only this machine can be reached."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
