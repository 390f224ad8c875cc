"""Settings from the environment, every name prefixed with `SANDBOX_`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from sandbox.traits import EVERYDAY_SHARES, Trait

PREFIX = "SANDBOX_"
# Longer times and other speeds are of no use to a test, and their quotients may be infinite.
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Speed = Annotated[float, Field(ge=1e-6, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]


class Configuration(BaseSettings):
    """The settings. All times are in seconds. The defaults suit a gateway on http://localhost:8000."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = "http://127.0.0.1:8001"
    host: str = "127.0.0.1"
    port: int = 8001

    merchant_code: str = "SANDBOXMERCHANT"
    user: str = "SANDBOXMERCHANT"
    """The XML user: the merchant code, as with many accounts (activemerchant, worldpay.rb)."""
    password: str = "sandbox-password"  # noqa: S105 - published in the documentation
    mac_key: str = "sandbox-mac-key-for-device-data-and-challenges"
    issuer: str = "sandbox-issuer"
    org_unit_id: str = "sandbox-unit"

    notification_url: str = "http://localhost:8000/notifications/sandbox/sandbox-notification-secret/"
    """The address of notifications; if empty, none are sent. Its secret is published, like all others."""
    ca_file: Path | None = None
    """PEM file of the authorities that certify the gateway, for notifications; None for the public ones."""
    settle_seconds: Seconds = 2.0
    """The time between `captureReceived` or `refundReceived` and the booking."""
    late_booking_seconds: Seconds = 60.0
    """The same time for orders with the trait `booked_late`."""
    replication_seconds: Seconds = 1.0
    """The time after which inquiries and lists show an event: they are answered from a copy of the books."""
    settlement_seconds: Seconds = 20.0
    """The time between a capture's booking and its settlement, for orders with the trait `settled`."""
    refund_again_seconds: Seconds = 5.0
    """The time between a refund's failure and its booking (trait `refund_failed_then_refunded`)."""
    expiry_seconds: Seconds = 20.0
    """The time between an authorisation and its expiry, for orders with the trait `expires`."""
    dispute_seconds: Seconds = 10.0
    """The time before each step of a dispute: request for information, charge-back and reversal."""
    retry_first_seconds: Seconds = 1.0
    """The time before the second try of a notification; it doubles with every further try."""
    retry_longest_seconds: Seconds = 60.0
    notification_lifetime_seconds: Seconds = 7 * 24 * 3600.0
    """The time after which an unaccepted notification is given up: 7 days, as with the provider."""

    challenge_seconds: Seconds = 600.0
    """The time that a person may take at the issuer's page."""
    challenge_limit: Annotated[int, Field(ge=1)] = 2
    """The number of challenges of one order before an unanswered one is refused."""

    list_limit: Annotated[int, Field(ge=1)] = 1_000
    """The number of orders after which a list of orders is cut, and says that it is not complete."""

    idempotency: Literal["on", "off", "uuid"] = "on"
    """The account's arrangement for `Idempotency-Key`: accepted, not enabled, or accepted if it is a UUID."""
    idempotency_lifetime_seconds: Seconds = 365 * 24 * 3600.0
    """The time after which the same key is a new request."""

    token_days: Annotated[int, Field(ge=-1, le=3650)] = 7
    """The number of days for which a token lives; with -1 it has lapsed as soon as it is made."""

    traits: Mapping[Trait, Share] = EVERYDAY_SHARES
    """The share of the orders with each trait, as JSON; a trait that is not named has no share."""

    clock_scale: Speed = 1.0
    """The divisor of all the times above: with 60, the provider's minute is a second."""

    books: Path | None = None
    """SQLite file of the books, with the private key beside it. None keeps both in a temporary folder."""
    seed: str = ""
    """The seed of identifiers, which depend only on it and order codes. Empty: it follows from the key."""


def unknown_names(environment: Iterable[str]) -> set[str]:
    """Return the names in an environment that begin like a setting of the sandbox and are none."""
    known = {f"{PREFIX}{name.upper()}" for name in Configuration.model_fields}
    return {name for name in environment if name.startswith(PREFIX)} - known
