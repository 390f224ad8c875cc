"""Write endpoints, and events with pending deliveries, as a program of the gateway would.

Usage: ``python -m benchmarks.webhook_filling backlog <events> <endpoints> <port>``, which writes events with
their deliveries, or ``… trickle <events> <pause in seconds>``, which creates payments one after the other.
"""

import sys
import time
from typing import Any

import django
from django.utils import timezone

BATCH = 1_000
MERCHANT = "bench"


def backlog(events: int, endpoints: int, port: int) -> None:
    from checkout.payments.models import Event
    from checkout.references import new_reference
    from checkout.webhooks import actions
    from checkout.webhooks.models import Delivery, SweepCursor, WebhookEndpoint

    first = created("first")
    template = Event.objects.get(payment=first)
    # As a backlog after an outage: every event belongs to one endpoint.
    for number in range(endpoints):
        # One endpoint receives the events of the trickle.
        types = [] if number == 0 else ["payment.refunded"]
        actions.create_endpoint(MERCHANT, f"http://127.0.0.1:{port}/{number}", event_types=types)
    made = list(WebhookEndpoint.objects.order_by("pk"))
    now = timezone.now()
    for start in range(0, events, BATCH):
        numbers = range(start, min(start + BATCH, events))
        rows = Event.objects.bulk_create(
            Event(
                reference=new_reference("evt"),
                merchant=template.merchant,
                payment=first,
                type=template.type,
                sequence=number + 2,
                data=template.data,
            )
            for number in numbers
        )
        Delivery.objects.bulk_create(
            Delivery(
                endpoint=made[number % endpoints],
                event=row.reference,
                event_type=row.type,
                payment=first.reference,
                next_try_at=now,
            )
            for number, row in zip(numbers, rows, strict=True)
        )
    # The sweep would create a delivery of each event to every endpoint.
    SweepCursor.objects.create(pk=1, event_pk=Event.objects.latest("pk").pk)


def trickle(events: int, pause: float) -> None:
    for number in range(events):
        created(f"order-{number}")
        time.sleep(pause)


def created(order: str) -> Any:
    from checkout.money import Money
    from checkout.payments.actions import create_payment
    from checkout.payments.models import Merchant

    merchant, _ = Merchant.objects.get_or_create(code=MERCHANT, defaults={"name": "Bench"})
    return create_payment(
        merchant, order_reference=order, amount=Money(1250, "GBP"), lines=[], description="Tea"
    )


if __name__ == "__main__":
    django.setup()
    what, *numbers = sys.argv[1:]
    if what == "backlog":
        backlog(*map(int, numbers))
    else:
        trickle(int(numbers[0]), float(numbers[1]))
