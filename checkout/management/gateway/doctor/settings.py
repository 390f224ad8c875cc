"""Settings: the results of Django's system checks."""

from collections.abc import Iterator

from django.core import checks

from checkout.conf import conf
from checkout.errors import CardKeysMisconfigured
from checkout.keys.agreement import differences
from checkout.management.gateway.output import Finding
from checkout.privacy.card_seal import require_keys

AREA = "settings"


def keys() -> Iterator[Finding]:
    """Yield the keys of this process that differ from those of the gateway's processes."""
    try:
        require_keys()
    except CardKeysMisconfigured:
        programs = []  # `findings` reports it
    else:
        programs = ["web"]
    for difference in differences(programs):
        yield Finding(AREA, difference, "Set it as the gateway's processes have it.")


def findings() -> Iterator[Finding]:
    """Yield the messages of ``manage.py check --deploy`` or, in a try-out, of ``manage.py check``.

    Also name the services whose work the checkout service does, because no other command shows them.
    """
    if conf.in_place:
        named = ", ".join(conf.in_place)
        yield Finding(AREA, f"the checkout service does the work of {named} itself (CHECKOUT_IN_PLACE)")
    messages = checks.run_checks(include_deployment_checks=not conf.is_try_out)
    seen = [message for message in messages if not message.is_silenced()]
    for message in seen:
        yield Finding(AREA, f"{message.id}: {message.msg}", message.hint or "Change the setting.")
    if not seen:
        passed = "manage.py check" if conf.is_try_out else "manage.py check --deploy"
        remark = ", as this is a try-out, which is not for production" if conf.is_try_out else ""
        yield Finding(AREA, f"{passed} finds nothing{remark}")
