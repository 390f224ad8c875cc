"""What can be set from the environment, every name prefixed with `SANDBOX_`."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(ge=0)]


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

    notification_url: str = "http://localhost:8000/notifications/sandbox/"
    """Where order notifications go; empty sends none."""
    settle_seconds: Seconds = 2.0
    """Between `captureReceived` or `refundReceived` and the booking it announces."""
    retry_first_seconds: Seconds = 1.0
    """Before the second try of a notification; doubles with every further one."""
    retry_longest_seconds: Seconds = 60.0
    notification_lifetime_seconds: Seconds = 7 * 24 * 3600.0
    """After this a notification that was never accepted is given up, as the provider does after 7 days."""

    challenge_seconds: Seconds = 600.0
    """How long a person may take at the issuer's page."""
    challenge_limit: Annotated[int, Field(ge=1)] = 2
    """How many challenges one order may meet before an unanswered one is refused."""

    clock_scale: Annotated[float, Field(gt=0)] = 1.0
    """All the times above are divided by it: with 60 the provider's minute is a second."""

    books: Path | None = None
    """SQLite file of the books; the private key lies beside it. None keeps both in a temporary folder."""
    seed: str = ""
    """Same seed and same order codes give the same identifiers; empty draws a new seed at each start."""
