"""The work that waits for staff, by the conditions of the back office's page *what needs attention*."""

from collections.abc import Iterator

from checkout.backoffice.attention.waiting_for_staff import Concern, concerns
from checkout.conf import conf
from checkout.management.gateway.output import Finding
from checkout.payments.models import Difference, Payment, ProviderNotification

AREA = "staff"
PAGE = "/admin/payments/payment/attention/"
# Operations and sagas are counted by their payments. Other findings report dead letters and deliveries.
# Attack mode ends by itself, and merchants look after their failing endpoints.
COUNTED = (Payment, ProviderNotification, Difference)
SAID_ELSEWHERE = "attention=dead_letter"


def findings() -> Iterator[Finding]:
    """Yield one finding, with a count for each reason that has rows."""
    counts = [
        f"{concern.model._meta.verbose_name_plural}: {concern.label} ({count})"
        for concern in concerns()
        if concern.model in COUNTED and concern.query != SAID_ELSEWHERE and (count := _count(concern))
    ]
    if not counts:
        yield Finding(AREA, "no payment, notification or difference waits for staff")
        return
    yield Finding(AREA, "; ".join(counts), f"The back office lists them: {conf.public_url.rstrip('/')}{PAGE}")


def _count(concern: Concern) -> int:
    return concern.model._default_manager.filter(concern.condition).count()
