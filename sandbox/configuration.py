"""Settings from the environment, every name prefixed with `SANDBOX_`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from sandbox.traits import EVERYDAY_SHARES, Trait

Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Configuration(BaseSettings):
    """All times are in seconds. Defaults suit a gateway on http://localhost:8000."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True)

    url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = "http://127.0.0.1:8001"
    host: str = "127.0.0.1"
    port: int = 8001

    merchant_code: str = "SANDBOXMERCHANT"
    user: str = "sandbox"
    password: str = "sandbox-password"  # noqa: S105 - published in the documentation
    mac_key: str = "sandbox-mac-key-for-device-data-and-challenges"
    issuer: str = "sandbox-issuer"
    org_unit_id: str = "sandbox-unit"

    notification_url: str = "http://localhost:8000/notifications/sandbox/sandbox-notification-secret/"
    """The address of notifications; empty sends none. The secret in it is published, as all here are."""
    ca_file: Path | None = None
    """PEM file of the authorities that certify the gateway, for notifications; None for the public ones."""
    settle_seconds: Seconds = 2.0
    """Between `captureReceived` or `refundReceived` and the booking it announces."""
    settlement_seconds: Seconds = 20.0
    """Between a capture's booking and its settlement, for orders that have this trait."""
    refund_again_seconds: Seconds = 5.0
    """Between the failure of a refund and its booking, for orders that have this trait."""
    dispute_seconds: Seconds = 10.0
    """Before each step of a dispute: the request for information, the charge-back and its reversal."""
    retry_first_seconds: Seconds = 1.0
    """Before the second try of a notification; doubles with every further one."""
    retry_longest_seconds: Seconds = 60.0
    notification_lifetime_seconds: Seconds = 7 * 24 * 3600.0
    """After this a notification that was never accepted is given up, as the provider does after 7 days."""

    challenge_seconds: Seconds = 600.0
    """The time that a person may take at the issuer's page."""
    challenge_limit: Annotated[int, Field(ge=1)] = 2
    """The number of challenges that one order may meet before an unanswered one is refused."""

    idempotency: Literal["on", "off", "uuid"] = "on"
    """The arrangement of the account's `Idempotency-Key`: taken, not enabled, or taken if it is a UUID."""
    idempotency_lifetime_seconds: Seconds = 365 * 24 * 3600.0
    """After this the same key is a new request."""

    traits: Mapping[Trait, Share] = EVERYDAY_SHARES
    """The share of the orders that has each trait, as JSON; a trait that is not named has none."""

    clock_scale: Annotated[float, Field(gt=0)] = 1.0
    """All the times above are divided by it: with 60 the provider's minute is a second."""

    books: Path | None = None
    """SQLite file of the books; the private key lies beside it. None keeps both in a temporary folder."""
    seed: str = ""
    """Same seed and same order codes give the same identifiers; empty draws a new seed at each start."""
