"""Actions on many deliveries, beside senders that record the results of some of them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from checkout.errors import EndpointDisabled, OperationRejected, WebhookNotFound
from checkout.webhooks import actions, deliveries, notices
from checkout.webhooks.models import Delivery, DeliveryAttempt, SweepCursor, WebhookEndpoint
from checkout.webhooks.sending.claims import Job, claim
from checkout.webhooks.sending.client import Answer
from checkout.webhooks.sending.recording import Outcome, record
from tests.payments.service.at_once import at_once, behind, beside, somebody_waits_for_a_lock
from tests.support.waiting import wait_until
from tests.webhooks.conftest import SHOP
from tests.webhooks.test_deliveries import endpoint, event

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def test_who_sends_many_again_locks_them_in_the_order_of_a_sender():
    """In another order, there would be a deadlock, and PostgreSQL would end one of the transactions."""
    made = endpoint()
    first, second = (actions.ping(SHOP, made.reference).pk for _ in range(2))
    # The first is behind the second in the order of the events, and now in the table as well.
    events = sorted([event("A-1").reference, event("A-2").reference])
    for key, reference in zip((second, first), events, strict=True):
        Delivery.objects.filter(pk=key).update(event=reference, content=None)

    def record() -> int:
        with transaction.atomic():
            Delivery.objects.select_for_update().get(pk=first)
            wait_until(somebody_waits_for_a_lock, "the other to wait for the first")
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


def is_locked(key: int) -> bool:
    with transaction.atomic():
        return not Delivery.objects.select_for_update(skip_locked=True).filter(pk=key).exists()


def claimed() -> Sequence[Job]:
    return claim(9, 9, 9, {}, {})


def recorded(job: Job, status: int) -> None:
    record([Outcome(job, Answer(status=status), timezone.now())])


@pytest.fixture
def made() -> WebhookEndpoint:
    return endpoint()


@pytest.fixture
def ping(made: WebhookEndpoint) -> Delivery:
    return actions.ping(SHOP, made.reference)


def test_two_senders_take_different_deliveries_and_do_not_wait_for_each_other(ping: Delivery):
    first, second = beside(claimed, claimed)
    assert ([job.delivery for job in first], second) == ([ping.pk], [])


def test_what_is_sent_again_while_its_failure_is_recorded_stays_due(ping: Delivery):
    (job,) = claimed()
    behind(lambda: actions.resend(SHOP, ping.reference), lambda: recorded(job, 500))
    ping.refresh_from_db()
    assert (ping.tries, ping.lease, ping.last_result) == (0, "", "")
    assert [each.delivery for each in claimed()] == [ping.pk]


def test_an_endpoint_that_fails_while_it_is_disabled_stays_so(made: WebhookEndpoint, ping: Delivery):
    (job,) = claimed()
    behind(lambda: actions.disable(SHOP, made.reference, "repairs"), lambda: recorded(job, 500))
    made.refresh_from_db()
    assert (made.state, made.state_reason, made.failures) == ("disabled", "repairs", 0)


def test_an_endpoint_that_is_enabled_while_it_is_deleted_is_gone(made: WebhookEndpoint):
    def enable() -> None:
        with pytest.raises(WebhookNotFound):
            actions.enable(SHOP, made.reference)

    actions.disable(SHOP, made.reference, "repairs")
    behind(lambda: actions.delete_endpoint(SHOP, made.reference), enable)
    made.refresh_from_db()
    assert made.state == "deleted"


def test_nothing_is_sent_again_to_an_endpoint_that_is_just_being_disabled(
    made: WebhookEndpoint, ping: Delivery
):
    def send_again() -> None:
        with pytest.raises(EndpointDisabled):
            actions.resend(SHOP, ping.reference)

    behind(lambda: actions.disable(SHOP, made.reference, "repairs"), send_again)


def test_who_enables_an_endpoint_does_not_wait_for_a_delivery_that_is_just_being_recorded(
    made: WebhookEndpoint, ping: Delivery
):
    """One locks the endpoint and the other the delivery, so that each would wait for the other."""
    actions.disable(SHOP, made.reference, "repairs")
    Delivery.objects.update(tries=8, next_try_at=timezone.now() + timedelta(hours=14))
    beside(
        lambda: Delivery.objects.select_for_update().get(pk=ping.pk),
        lambda: actions.enable(SHOP, made.reference),
    )
    made.refresh_from_db()
    assert made.is_enabled


def test_responses_are_not_forgotten_while_a_sender_is_just_taking_the_delivery(ping: Delivery):
    """The response may repeat data that is erased."""
    Delivery.objects.update(payment="pay_1")

    def forget() -> str:
        with transaction.atomic(), pytest.raises(OperationRejected) as rejection:
            deliveries.erase_responses("pay_1")
        return str(rejection.value)

    assert "being sent" in str(behind(lambda: str(claimed()), forget)[1])


def test_an_endpoint_that_answers_while_it_is_about_to_be_disabled_stays_enabled(
    made: WebhookEndpoint, ping: Delivery
):
    (job,) = claimed()
    long_ago = timezone.now() - timedelta(days=4)
    WebhookEndpoint.objects.update(failures=9, failing_since=long_ago, warned_at=long_ago)
    Delivery.objects.update(tries=9, last_result="HTTP 500")
    DeliveryAttempt.objects.create(delivery=ping, url=made.url, status=500, at=timezone.now())
    behind(lambda: recorded(job, 200), lambda: asyncio.run(notices.look_after_endpoints()))
    made.refresh_from_db()
    assert (made.state, made.failures) == ("enabled", 0)


def test_one_process_sweeps_and_another_does_not_wait_for_it():
    event("A-1")
    deliveries.sweep()
    event("A-2")
    SweepCursor.objects.update(event_pk=0, seen_at=timezone.now() - deliveries.SWEEP_AFTER)
    assert beside(deliveries.sweep, deliveries.sweep) == [1, 0]
