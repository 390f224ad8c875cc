"""The process environment, read and checked once. One error names everything that is wrong."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DEVELOPMENT_KEY = "development-only-key-that-production-refuses-to-start-with"

DEVELOPMENT_PASSWORD = "checkout-admin"  # noqa: S105

# The sandbox's published credentials: worth nothing anywhere else.
SANDBOX_CREDENTIALS = {
    "user": "sandbox",
    "password": "sandbox-password",
    "mac_key": "sandbox-mac-key-for-device-data-and-challenges",
    "issuer": "sandbox-issuer",
    "organisational_unit": "sandbox-unit",
}


class Environment(BaseSettings):
    """Everything that differs between installations. Names are the environment variables' names."""

    # What is wrong is named without its value, which may be a secret.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    debug: bool = Field(default=True, alias="DEBUG")
    try_out: bool = Field(default_factory=lambda data: data["debug"], alias="CHECKOUT_TRY_OUT")
    secret_key: SecretStr = Field(default=SecretStr(DEVELOPMENT_KEY), alias="SECRET_KEY")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["localhost", "127.0.0.1", "[::1]"], alias="ALLOWED_HOSTS"
    )
    database_url: str = Field(default="sqlite:///db.sqlite3", alias="DATABASE_URL")
    database_pool_size: int = Field(default=10, ge=1, alias="CHECKOUT_DATABASE_POOL_SIZE")
    database_seconds: float = Field(default=10, ge=0, alias="CHECKOUT_DATABASE_SECONDS")
    broker_url: str = Field(default="memory://", alias="BROKER_URL")
    public_url: str = Field(default="http://localhost:8000", alias="PUBLIC_URL")
    sandbox_url: str = Field(default="http://127.0.0.1:8001", alias="SANDBOX_URL")

    provider_credentials: dict[str, dict[str, str]] = Field(
        default={}, alias="CHECKOUT_PROVIDER_CREDENTIALS", repr=False
    )

    admin_password: SecretStr = Field(default=SecretStr(""), alias="CHECKOUT_ADMIN_PASSWORD")

    prefix: str = Field(default="checkout", alias="CHECKOUT_PREFIX")
    reply_budget_seconds: float = Field(default=8.0, gt=0, le=60, alias="CHECKOUT_REPLY_BUDGET_SECONDS")
    max_waiters: int = Field(default=2000, ge=1, alias="CHECKOUT_MAX_WAITERS")
    max_held: int = Field(default=5000, ge=1, alias="CHECKOUT_MAX_HELD")
    max_held_per_address: int = Field(default=500, ge=1, alias="CHECKOUT_MAX_HELD_PER_ADDRESS")
    max_sockets: int = Field(default=10_000, ge=1, alias="CHECKOUT_MAX_SOCKETS")
    max_sockets_per_address: int = Field(default=200, ge=1, alias="CHECKOUT_MAX_SOCKETS_PER_ADDRESS")
    max_body_bytes: int = Field(default=262_144, ge=1, alias="CHECKOUT_MAX_BODY_BYTES")
    body_seconds: float = Field(default=10.0, gt=0, alias="CHECKOUT_BODY_SECONDS")
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
    service_wait_seconds: float = Field(default=600, gt=0, alias="CHECKOUT_SERVICE_WAIT_SECONDS")
    provider_wait_seconds: float = Field(default=120, gt=0, alias="CHECKOUT_PROVIDER_WAIT_SECONDS")
    notification_wait_seconds: float = Field(default=1200, gt=0, alias="CHECKOUT_NOTIFICATION_WAIT_SECONDS")
    provider_timeouts: dict[str, float] = Field(default={}, alias="CHECKOUT_PROVIDER_TIMEOUTS")
    checkout_seconds: float = Field(default=86_400, gt=0, alias="CHECKOUT_ABANDONED_SECONDS")
    authorisation_seconds: float = Field(default=6 * 86_400, gt=0, alias="CHECKOUT_AUTHORISATION_SECONDS")
    retention_seconds: float = Field(default=30 * 86_400, gt=0, alias="CHECKOUT_RETENTION_SECONDS")
    reconciliation_seconds: float = Field(default=3600, gt=0, alias="CHECKOUT_RECONCILIATION_SECONDS")
    crash_at: str = Field(default="", alias="CHECKOUT_CRASH_AT")
    risk_payments_per_email: int = Field(default=10_000, ge=1, alias="CHECKOUT_RISK_PAYMENTS_PER_EMAIL")
    risk_payments_per_ip_address: int = Field(
        default=10_000, ge=1, alias="CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS"
    )
    risk_amount_limits: dict[str, int] = Field(
        default={"GBP": 1_000_000, "EUR": 1_000_000, "USD": 1_000_000}, alias="CHECKOUT_RISK_AMOUNT_LIMITS"
    )

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [host.strip() for host in value.split(",") if host.strip()] if isinstance(value, str) else value
        )

    @model_validator(mode="after")
    def _production_needs_its_own_secret(self) -> "Environment":
        if not self.try_out and self.secret_key.get_secret_value() == DEVELOPMENT_KEY:
            raise ValueError("SECRET_KEY must be set for anything but a try-out")
        return self

    @model_validator(mode="after")
    def _production_shows_nobody_its_insides(self) -> "Environment":
        if not self.try_out and self.debug:
            raise ValueError("DEBUG must be off for anything but a try-out")
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
