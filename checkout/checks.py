"""System checks: combinations of settings that would hurt in production."""

from collections.abc import Sequence
from typing import Any

from django.core import checks

from checkout.conf import conf


@checks.register(checks.Tags.security, deploy=True)
def production_uses_a_real_broker(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """The in-memory broker forgets everything when its process ends."""
    if not conf.is_embedded:
        return []
    return [
        checks.Error(
            "BROKER_URL is memory://, which loses every queued message when the process ends.",
            hint="Set BROKER_URL to amqp:// or amqps:// for anything but a try-out.",
            id="checkout.E001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def production_is_reached_over_tls(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return addresses are handed to issuers: without TLS their tokens can be read on the way."""
    if conf.public_url.startswith("https://"):
        return []
    return [checks.Error("PUBLIC_URL is not https://.", id="checkout.E002")]
