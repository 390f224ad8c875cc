"""Record the results of attempts: the log, the delivery's next attempt, and the endpoint's health.

The times of next attempts follow the database's clock, because any sender may make the attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from checkout.privacy.scrubbing import scrub_text
from checkout.webhooks.deliveries import transition
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from checkout.webhooks.schedule import GONE, endpoint_pause, own_pause, pause_after
from checkout.webhooks.sending.claims import NO_SUCH_EVENT, Job
from checkout.webhooks.sending.client import Answer
from messaging.outbox.clock import server_time_now

State = Delivery.State
Notice = WebhookEndpoint.Notice
GONE_REASON = "it answered 410 Gone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt that has ended."""

    job: Job
    answer: Answer
    at: datetime


def record(outcomes: Sequence[Outcome]) -> None:
    """Record the outcomes in one transaction, in the order in which the attempts ended."""
    with transaction.atomic():
        locked = Delivery.objects.select_for_update(of=("self",)).select_related("endpoint")
        rows = locked.filter(pk__in=[each.job.delivery for each in outcomes])
        deliveries = rows.order_by("pk").in_bulk()
        # The delivery may be missing, because its endpoint was deleted in the meantime.
        outcomes = [each for each in outcomes if each.job.delivery in deliveries]
        DeliveryAttempt.objects.bulk_create(
            [_logged(each) for each in outcomes if not _is_known(deliveries[each.job.delivery], each)]
        )
        now = server_time_now()
        for each in outcomes:
            _conclude(deliveries[each.job.delivery], each, now)
        changed = ["state", "tries", "next_try_at", "lease", "last_result", "ended_at"]
        Delivery.objects.bulk_update(deliveries.values(), changed)
        _record_health(outcomes, now)


def _is_known(delivery: Delivery, outcome: Outcome) -> bool:
    """Return True for a lasting problem of the gateway that the last attempt has logged already."""
    return outcome.answer.is_ours and delivery.last_result == outcome.answer.summary


def _logged(outcome: Outcome) -> DeliveryAttempt:
    answer = outcome.answer
    return DeliveryAttempt(
        delivery_id=outcome.job.delivery,
        at=outcome.at,
        url=outcome.job.url,
        status=answer.status,
        error=answer.error,
        detail=_storable(answer.detail.encode("utf-8", "replace"))[:200],
        duration_ms=answer.duration_ms,
        response=_storable(answer.response)[: DeliveryAttempt.EXCERPT],
    )


def _storable(text: bytes) -> str:
    """Return bytes from an endpoint as text that the database can store, without secrets."""
    return scrub_text(text.decode("utf-8", "replace").replace("\0", ""))


def _conclude(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    """Update the delivery. If another process has leased or failed it since, only a success is applied.

    A pending delivery without a lease has been made due again, so nothing is applied.
    """
    job, answer = outcome.job, outcome.answer
    is_ours = delivery.lease == job.lease and delivery.state == State.PENDING
    is_taken_over = bool(delivery.lease) or delivery.state == State.FAILED
    if not is_ours and not (answer.is_success and is_taken_over):
        return
    delivery.last_result = answer.summary
    delivery.lease = ""
    if answer.is_ours and job.problem != NO_SUCH_EVENT:
        age = now - delivery.created_at
        delivery.next_try_at = now + timedelta(seconds=own_pause(age.total_seconds()))
        return
    if not answer.is_success and job.url != delivery.endpoint.url:
        # The merchant has changed the address since, so the new address has not been tried yet.
        delivery.next_try_at = now
        return
    delivery.tries += 1
    pause = pause_after(delivery.tries)
    if answer.is_success:
        _end(delivery, State.DELIVERED, now)
    elif pause is None:
        _end(delivery, State.FAILED, now)
    else:
        delivery.next_try_at = now + timedelta(seconds=pause)


def _end(delivery: Delivery, state: str, now: datetime) -> None:
    delivery.state = state
    delivery.next_try_at = None
    delivery.ended_at = now


def _record_health(outcomes: Sequence[Outcome], now: datetime) -> None:
    """Update the health of the endpoints that have failed now or before."""
    # A problem of the gateway is no failure of the endpoint.
    about = [each for each in outcomes if not each.answer.is_ours]
    failed = {each.job.endpoint for each in about if not each.answer.is_success}
    seen = {each.job.endpoint for each in about}
    recovering = WebhookEndpoint.objects.filter(pk__in=seen, failures__gt=0).values_list("pk", flat=True)
    concerned = failed | set(recovering)
    if not concerned:
        return
    rows = WebhookEndpoint.objects.select_for_update().filter(pk__in=concerned).order_by("pk")
    endpoints = rows.in_bulk()
    for each in about:
        if each.job.endpoint in endpoints:
            _note(endpoints[each.job.endpoint], each, now)
    for endpoint in endpoints.values():
        endpoint.save(update_fields=_HEALTH)


_HEALTH = (
    "state",
    "state_reason",
    "state_since",
    "last_event_before_state",
    "events_under_way",
    "failures",
    "failing_since",
    "paused_until",
    "warned_at",
    "owed_notice",
)


def _note(endpoint: WebhookEndpoint, outcome: Outcome, now: datetime) -> None:
    answer = outcome.answer
    if answer.is_success:
        endpoint.failures, endpoint.failing_since, endpoint.warned_at = 0, None, None
        if endpoint.owed_notice == Notice.FAILING:
            endpoint.owed_notice = Notice.NONE
        return
    if outcome.job.url != endpoint.url or not endpoint.is_enabled:
        return  # the outcome is about an earlier address, or the endpoint is disabled
    is_paused = endpoint.paused_until is not None and endpoint.paused_until > now
    # An attempt that was under way when a pause began does not count as another failure.
    if not (is_paused and endpoint.failures):
        endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or outcome.at
    if pause := endpoint_pause(endpoint.failures, answer.status, answer.retry_after):
        until = now + timedelta(seconds=pause)
        endpoint.paused_until = max(endpoint.paused_until or until, until)
    if answer.status == GONE:
        transition(endpoint, WebhookEndpoint.State.DISABLED, GONE_REASON)
        endpoint.owed_notice = Notice.DISABLED
