"""``manage.py gateway replay``: sends one message of the outbox, or an event, again with the same id."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from checkout.audit.log import Details, record
from checkout.backoffice.audited import subject_of
from checkout.errors import OperationRejected
from checkout.management.gateway import staff
from checkout.management.gateway.output import Output
from checkout.payments.actions import send_again
from checkout.payments.models import DeadLetter

HELP = (
    "Sends a message of the outbox again, unaltered and with the same id, if nothing shows that it was "
    "handled. For a message that a service gave up on, use dead-letters requeue."
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the message, the member of staff and the reason."""
    parser.add_argument("message", help="the message's id, as tail and the back office show it")
    staff.add_argument(parser)
    parser.add_argument("--reason", required=True, help="why it is sent again; kept with the payment")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Send the message, and return 0. Raises CommandError with the reason if it must not be sent."""
    by = staff.require(options["by"], "payments.requeue_deadletter")
    letter = DeadLetter.objects.filter(message_id=options["message"], requeued_at=None).first()
    if letter is not None and letter.dealt_with_at is None:
        raise CommandError(f"It is a dead letter. Use: manage.py gateway dead-letters requeue {letter.pk}")
    try:
        with transaction.atomic():
            row = send_again(options["message"], by=by.name, reason=options["reason"])
            record(
                by,
                "replay",
                f"Sent the message {row.type} again",
                subject_of(row),
                Details(options["reason"]),
            )
    except OperationRejected as refusal:
        raise CommandError(str(refusal)) from None
    out.write(f"{row.message_id} is sent again by the relay.")
    return 0
