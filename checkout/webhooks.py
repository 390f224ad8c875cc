"""Where payment providers send their notifications."""

import structlog
from django.http import HttpRequest, HttpResponse

from checkout import crash_points, operations, problems
from checkout.database import in_thread
from checkout.errors import MessagingError
from checkout.messaging.broker import get_broker
from checkout.messaging.outbox import AbstractOutboxMessage
from checkout.providers.base import Acknowledgement
from checkout.security import csrf_exempt

MAX_NOTIFICATION_BYTES = 65_536

log = structlog.get_logger(__name__)


@csrf_exempt
async def receive(request: HttpRequest, account: str) -> HttpResponse:
    """Answer what stops the provider from sending again, once the notification is committed.

    400 for what cannot be read, 403 for an address that is not the provider's, and 503 when it could not be
    stored: the provider then sends it again.
    """
    if request.method != "POST":
        return problems.respond(request, problems.method_not_allowed(("POST",)))
    if len(request.body) > MAX_NOTIFICATION_BYTES:
        return problems.respond(request, problems.TOO_LARGE)
    try:
        acknowledgement = await take(account, request.body, sender=request.META.get("REMOTE_ADDR", ""))
    except problems.EXPECTED as error:
        problem = problems.problem_of(error)
        log.warning("notification not taken", account=account, status=problem.status, reason=repr(error))
        return problems.respond(request, problem)
    return HttpResponse(
        acknowledgement.body, status=acknowledgement.status, content_type=acknowledgement.content_type
    )


async def take(account: str, body: bytes, *, sender: str = "") -> Acknowledgement:
    """Store a notification and publish the command to apply it; raises what ``record_notification`` does."""
    recorded = await in_thread(operations.record_notification, account, body, sender=sender)
    crash_points.reached("web.notification_stored")
    if recorded.owed is not None:
        _publish(recorded.owed)
    return recorded.acknowledgement


def _publish(owed: AbstractOutboxMessage) -> None:
    """Without waiting: the provider is not told what becomes of it. The relay publishes what is lost."""

    def on_end(error: MessagingError | None) -> None:
        if error is not None:
            log.info("notification left to the relay", payment=owed.subject, reason=error.code)

    try:
        get_broker().post(owed.exchange, owed.routing_key, owed.envelope(), on_end)
    except MessagingError as error:
        on_end(error)
