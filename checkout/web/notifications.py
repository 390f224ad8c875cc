"""The endpoint to which payment providers send notifications."""

import structlog
from django.http import HttpRequest, HttpResponse

from checkout import problems
from checkout.conf import conf
from checkout.payments import actions
from checkout.payments.providers.base import Acknowledgement
from checkout.payments.providers.proof import is_proven
from checkout.rates import RateLimit
from checkout.web.protection.card_guard import exempt_from_card_guard
from messaging import crash_points
from messaging.access.participants import service_of
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope
from messaging.errors import MessagingError
from messaging.registry import get_broker
from payments_gateway.serving.clients import network_of
from payments_gateway.serving.views import csrf_exempt, for_programs, on_event_loop

log = structlog.get_logger(__name__)

hints_by_address = RateLimit("hints_per_address")
hints_by_account = RateLimit("hints_per_account")


@csrf_exempt
@exempt_from_card_guard  # the view scrubs card numbers itself, and a refused notification would be lost
@for_programs
@on_event_loop  # not limited: notifications come in bursts from few addresses, and wait for no reply
async def receive(request: HttpRequest, account: str, secret: str = "") -> HttpResponse:
    """Store a notification, and answer so that the provider does not send it again.

    The answer is 404 for a wrong secret, 401 for wrong credentials, 403 if there is neither and the sender's
    address is not the provider's, 415 for the format of another product, and 429 for too many unproven
    notifications. It is 503 if the notification could not be stored, so that the provider sends it again. All
    others are accepted, even if they cannot be read.
    """
    if request.method != "POST":
        return problems.respond(request, problems.method_not_allowed(("POST",)))
    sender = request.META.get("REMOTE_ADDR", "")
    authorization = request.META.get("HTTP_AUTHORIZATION", "")
    try:
        proven = is_proven(account, secret=secret, authorization=authorization)
        if not proven and (seconds := _seconds_until_allowed(account, sender)):
            return problems.respond(request, problems.too_many_notifications(seconds))
        acknowledgement = await take(account, request.body, is_proven=proven, sender=sender)
    except problems.EXPECTED as error:
        problem = problems.problem_of(error)
        log.warning("notification not taken", account=account, status=problem.status, reason=repr(error))
        return problems.respond(request, problem)
    except Exception:
        # Django's error page for developers would show the address, which contains the secret.
        log.exception("notification not taken", account=account)
        return problems.respond(request, problems.BROKEN)
    return HttpResponse(
        acknowledgement.body, status=acknowledgement.status, content_type=acknowledgement.content_type
    )


async def take(account: str, body: bytes, *, is_proven: bool, sender: str = "") -> Acknowledgement:
    """Store a notification, and publish the command to apply it.

    Raises the errors of ``record_notification``.
    """
    recorded = await in_thread(actions.record_notification, account, body, is_proven=is_proven, sender=sender)
    crash_points.reached("web.notification_stored")
    if recorded.owed is not None:
        _publish(recorded.owed)
    return recorded.acknowledgement


def _seconds_until_allowed(account: str, sender: str) -> int:
    """Count an unproven notification. Return 0 if it is accepted, else the seconds to wait.

    A sender without an address (on a Unix socket) and an unknown account are not counted.
    """
    seconds = 0
    if sender:
        seconds = hints_by_address.seconds_until_allowed(network_of(sender), most=conf.max_hints_per_address)
    if not seconds and account in conf.provider_accounts:
        seconds = hints_by_account.seconds_until_allowed(account, most=conf.max_hints_per_account)
    return seconds


def _publish(owed: Envelope) -> None:
    """Publish without waiting for a confirm, which the answer to the provider does not need.

    If the message is lost, a timer finds the notification.
    """

    def on_confirm(error: MessagingError | None) -> None:
        if error is not None:
            log.info("notification left to the timer", payment=owed.subject, reason=error.code)

    try:
        broker = get_broker()
        broker.publish_nowait(broker.topology.commands, service_of(owed.type), owed, on_confirm)
    except MessagingError as error:
        on_confirm(error)
