"""Actions on many deliveries, beside senders that record what became of some of them."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from checkout.webhooks import actions
from checkout.webhooks.models import Delivery
from tests.payments.service.at_once import at_once
from tests.support.waiting import wait_until
from tests.webhooks.conftest import SHOP
from tests.webhooks.test_deliveries import endpoint, event

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def test_who_sends_many_again_locks_them_in_the_order_of_a_sender():
    """Each would otherwise have what the other waits for, and PostgreSQL would end one of the two."""
    made = endpoint()
    first, second = (actions.ping(SHOP, made.reference).pk for _ in range(2))
    # The first is behind the second in the order of the events, and now in the table as well.
    events = sorted([event("A-1").reference, event("A-2").reference])
    for key, reference in zip((second, first), events, strict=True):
        Delivery.objects.filter(pk=key).update(event=reference, content=None)

    def record() -> int:
        with transaction.atomic():
            Delivery.objects.select_for_update().get(pk=first)
            wait_until(someone_waits, "the other to wait for the first")
            return Delivery.objects.select_for_update(nowait=True).get(pk=second).pk

    def send_again() -> int:
        wait_until(lambda: is_locked(first), "the first to be locked")
        return actions.resend_since(SHOP, made.reference, timezone.now() - timedelta(hours=1))

    assert at_once(record, send_again) == [second, 2]


def test_an_endpoint_is_enabled_however_much_waits_for_it():
    """PostgreSQL takes 65,535 parameters with a statement, so none may name each delivery."""
    made, number = endpoint(), 66_000
    failed = actions.ping(SHOP, made.reference)
    later = timezone.now() + timedelta(hours=14)
    Delivery.objects.filter(pk=failed.pk).update(tries=8, next_try_at=later)
    copy_delivery(failed.pk, number)
    actions.disable(SHOP, made.reference, "repairs")
    actions.enable(SHOP, made.reference)
    waiting = Delivery.objects.filter(next_try_at__gt=timezone.now())
    assert (Delivery.objects.count(), waiting.count()) == (number + 1, 0)


def copy_delivery(key: int, times: int) -> None:
    """Insert copies of a delivery, each of an event of its own."""
    fields = [str(each.column) for each in Delivery._meta.local_concrete_fields if not each.primary_key]
    values = ["'copy-' || n" if each in ("reference", "event") else each for each in fields]
    table = Delivery._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(fields)}) "  # noqa: S608 (our own names)
            f"SELECT {', '.join(values)} FROM {table}, generate_series(1, %s) n WHERE id = %s",
            [times, key],
        )


def someone_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])


def is_locked(key: int) -> bool:
    with transaction.atomic():
        return not Delivery.objects.select_for_update(skip_locked=True).filter(pk=key).exists()
