"""Warn merchants and operators by e-mail about endpoints that fail, and disable these endpoints later.

An e-mail is sent outside transactions and database threads, and recorded afterwards, so it is sent at least
once. An endpoint is disabled only some time after the warning was sent. One process at a time sends a notice.
If sending may have failed, there is a pause before the next try, because the mail server may deliver the
e-mail each time.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import structlog
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template import Context

from checkout import mail
from checkout.conf import conf
from checkout.mail.email_addresses import in_ascii
from checkout.webhooks.deliveries import transition
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from checkout.webhooks.schedule import DISABLE_AFTER, DISABLE_AFTER_WARNING, WARN_AFTER
from checkout.webhooks.sending.claims import RESULTS_OF_OURS
from messaging.concurrency.database import in_thread
from messaging.outbox.clock import server_time

log = structlog.get_logger(__name__)

BATCH = 50
PAUSE = timedelta(hours=1)
# This is longer than any pause between two attempts at a webhook.
LATELY = timedelta(hours=24)
_EMAIL = mail.template("webhook_endpoint.txt")
State, Notice = WebhookEndpoint.State, WebhookEndpoint.Notice
SUBJECTS = {
    Notice.FAILING: "Your webhook endpoint does not answer",
    Notice.DISABLED: "Your webhook endpoint was disabled",
}


async def look_after_endpoints() -> int:
    """Disable endpoints that have failed for too long, and send pending notices.

    Return the number of endpoints.
    """
    disabled = await in_thread(_disable_failing)
    owed = await in_thread(_owed)
    # Concurrently, so that a mail server that does not answer costs the time-out only once.
    notified = await asyncio.gather(*(_notify(endpoint, email) for endpoint, email in owed))
    return disabled + sum(notified)


def _disable_failing() -> int:
    """Mark endpoints for a warning, and disable those that have failed for too long. Return their number."""
    failing = _failing_for(WARN_AFTER)
    failing.filter(warned_at=None, owed_notice=Notice.NONE).update(owed_notice=Notice.FAILING)
    return sum(_disable(pk) for pk in _over().values_list("pk", flat=True)[:BATCH])


def _failing_for(least: timedelta) -> QuerySet[WebhookEndpoint]:
    """Return the enabled endpoints that have failed for ``least`` and have a delivery with a next attempt.

    Other endpoints may only have an old failure, with no event since. The delivery must also have been tried
    lately: if nothing was sent, for example because the gateway was switched off, the endpoint is tried
    first.
    """
    now = server_time()
    lately = DeliveryAttempt.objects.filter(delivery=OuterRef("pk"), at__gt=now - LATELY)
    failed = Delivery.objects.filter(
        Exists(lately),
        endpoint=OuterRef("pk"),
        state=Delivery.State.PENDING,
        next_try_at__isnull=False,
        tries__gt=0,
    ).exclude(last_result__in=RESULTS_OF_OURS)
    return WebhookEndpoint.objects.filter(Exists(failed), state=State.ENABLED, failing_since__lte=now - least)


def _over() -> QuerySet[WebhookEndpoint]:
    return _failing_for(DISABLE_AFTER).filter(warned_at__lte=server_time() - DISABLE_AFTER_WARNING)


def _owed() -> list[tuple[WebhookEndpoint, EmailMessage]]:
    # In random order, so that addresses that are refused every time do not block the others.
    owed = _due(WebhookEndpoint.objects.exclude(owed_notice=Notice.NONE)).order_by("?")
    return [(endpoint, notice_email(endpoint)) for endpoint in owed[:BATCH] if _begin(endpoint)]


def _due(endpoints: QuerySet[WebhookEndpoint]) -> QuerySet[WebhookEndpoint]:
    return endpoints.filter(Q(notice_after=None) | Q(notice_after__lte=server_time()))


def _begin(endpoint: WebhookEndpoint) -> bool:
    """Begin the pause in which no other process sends the notice.

    Return False if another process began one.
    """
    same = _due(WebhookEndpoint.objects.filter(pk=endpoint.pk, owed_notice=endpoint.owed_notice))
    return bool(same.update(notice_after=server_time() + PAUSE))


def _disable(pk: int) -> bool:
    with transaction.atomic():
        endpoint = _over().select_for_update().filter(pk=pk).first()
        if endpoint is None or endpoint.failing_since is None:
            return False  # the endpoint has answered in the meantime
        transition(
            endpoint, State.DISABLED, f"it has failed since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC"
        )
        endpoint.owed_notice = Notice.DISABLED
        endpoint.save()
    log.warning("webhook endpoint disabled", endpoint=endpoint.reference, merchant=endpoint.merchant)
    return True


async def _notify(endpoint: WebhookEndpoint, email: EmailMessage) -> bool:
    """Send the e-mail, and record it. Return False if the mail server may not have accepted it."""
    if email.to:
        try:
            await mail.send(email)
        except (OSError, ValueError):
            # ValueError: an invalid address or text, which concerns this endpoint only.
            log.warning(
                "notice about an endpoint may not have been sent",
                endpoint=endpoint.reference,
                exc_info=True,
            )
            return False
    else:
        log.warning("nobody to write to about an endpoint", endpoint=endpoint.reference)
    await in_thread(_note, endpoint)
    return True


def _note(endpoint: WebhookEndpoint) -> None:
    same = WebhookEndpoint.objects.filter(pk=endpoint.pk, owed_notice=endpoint.owed_notice)
    if endpoint.owed_notice == Notice.FAILING:
        same.update(owed_notice=Notice.NONE, notice_after=None, warned_at=server_time())
    else:
        same.update(owed_notice=Notice.NONE, notice_after=None)


def notice_email(endpoint: WebhookEndpoint) -> EmailMessage:
    """Return the endpoint's pending notice as a plain-text e-mail."""
    latest = Delivery.objects.filter(endpoint=endpoint).exclude(last_result="").first()
    context = {
        "endpoint": endpoint,
        "is_disabled": endpoint.owed_notice == Notice.DISABLED,
        "last_result": latest.last_result if latest else "",
        "disable_after": DISABLE_AFTER,
        "waiting": endpoint.deliveries.filter(state=Delivery.State.PENDING).count(),
    }
    return EmailMessage(
        subject=SUBJECTS[Notice(endpoint.owed_notice)],
        body=_EMAIL.render(Context(context)),
        to=list(_addresses(endpoint)),
    )


def _addresses(endpoint: WebhookEndpoint) -> Iterator[str]:
    for address in filter(None, (endpoint.contact_email, conf.operators_email)):
        # An invalid address must not prevent the e-mail to the other address.
        with suppress(ValueError):
            yield in_ascii(address)
