"""``manage.py gateway replay``: sends a message of the outbox again, or all given up, with the same ids."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from checkout.errors import OperationRejected
from checkout.management.gateway import staff
from checkout.management.gateway.output import Output
from checkout.payments.actions import given_up_messages, send_again
from checkout.payments.models import DeadLetter

HELP = (
    "Sends a message of the outbox again, unaltered and with the same id, if nothing shows that it was "
    "handled. With --given-up, does so for each message that the broker has rejected too often. For a "
    "message that a service gave up on, use dead-letters requeue."
)


def add_arguments(parser: CommandParser) -> None:
    """Take the message or all given up, the member of staff and the reason."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("message", nargs="?", help="the message's id, as tail and the back office show it")
    which.add_argument("--given-up", action="store_true", help="all that the broker has rejected too often")
    staff.add_argument(parser)
    parser.add_argument("--reason", required=True, help="why it is sent again; kept with the payment")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Return 0, or 1 if one of several must not be sent; raise CommandError if that is the only one."""
    by = staff.require(options["by"], "payments.requeue_deadletter")
    if not options["given_up"]:
        try:
            _send(out, options["message"], by, options["reason"])
        except OperationRejected as refusal:
            raise CommandError(str(refusal)) from None
        return 0
    refused = 0
    for message_id in given_up_messages():
        try:
            _send(out, message_id, by, options["reason"])
        except OperationRejected as refusal:
            out.write(f"{message_id} is not sent: {refusal}")
            refused += 1
    return 1 if refused else 0


def _send(out: Output, message_id: str, by: str, reason: str) -> None:
    letter = DeadLetter.objects.filter(message_id=message_id, requeued_at=None).first()
    if letter is not None and letter.dealt_with_at is None:
        command = f"manage.py gateway dead-letters requeue {letter.pk}"
        raise OperationRejected(f"It is a dead letter. Use: {command}")
    row = send_again(message_id, by=by, reason=reason)
    out.write(f"{row.message_id} is sent again by the relay.")
