"""System checks: combinations of settings that would hurt in production."""

import os
from collections.abc import Sequence
from typing import Any

from django.core import checks

from checkout.conf import conf
from checkout.providers.transport import CONNECT_SECONDS, READ_SECONDS


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


@checks.register(checks.Tags.security, deploy=True)
def production_is_no_try_out(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """A try-out pays with the sandbox, over plain HTTP, and its passwords are published."""
    if not conf.is_try_out:
        return []
    return [checks.Error("CHECKOUT_TRY_OUT is on.", id="checkout.E005")]


@checks.register(checks.Tags.security, deploy=True)
def production_does_not_die_on_purpose(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """A crash point is for tests: it ends the process between two steps of a payment."""
    if not conf.crash_at:
        return []
    return [checks.Error(f"CHECKOUT_CRASH_AT ends processes at {conf.crash_at}.", id="checkout.E003")]


@checks.register(checks.Tags.security, deploy=True)
def clients_do_not_choose_their_addresses(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Limits, the risk service and senders of notifications go by the address that uvicorn gives a client."""
    if "*" not in os.environ.get("FORWARDED_ALLOW_IPS", "").replace(" ", "").split(","):
        return []
    return [
        checks.Error(
            "FORWARDED_ALLOW_IPS is *: whoever sends X-Forwarded-For has the address that it names.",
            hint="Name the proxies in front, and let nobody else reach this port.",
            id="checkout.E006",
        )
    ]


@checks.register(deploy=True)
def nothing_is_sent_again_while_it_may_arrive(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """A request leaves within half the settling time, and has to arrive within the other half."""
    longest = max(conf.provider_timeouts.get(verb, seconds) for verb, seconds in READ_SECONDS.items())
    longest += conf.provider_timeouts.get("connect", CONNECT_SECONDS)
    if longest < conf.settling_time.total_seconds() / 2:
        return []
    return [
        checks.Error(
            f"CHECKOUT_SETTLING_SECONDS is less than twice the {longest:g} s that a provider may take.",
            hint="A request that is still on its way could be taken for lost, and be sent a second time.",
            id="checkout.E004",
        )
    ]
