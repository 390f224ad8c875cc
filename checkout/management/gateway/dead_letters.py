"""``manage.py gateway dead-letters``: shows, requeues and closes messages that a service gave up."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from checkout.audit.log import Author, Details, record
from checkout.backoffice.audited import subject_of
from checkout.errors import OperationRejected
from checkout.management.gateway import staff
from checkout.management.gateway.output import Output, write_json, write_table, write_wrapped
from checkout.payments.actions import deal_with_dead_letter, requeue_dead_letter, why_not_requeued
from checkout.payments.models import DeadLetter
from checkout.payments.models.messages import OPEN_LETTER

HELP = "Lists dead letters, shows one, sends one again, or marks one as dealt with."
MOST = 50
FIELDS = (
    "message_id",
    "type",
    "service",
    "queue",
    "reason",
    "subject",
    "sender_user",
    "copies",
    "died_at",
    "requeued_by",
    "dealt_with_by",
    "dealt_with_note",
    "body",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the action, and the number of the letter."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="those that wait for staff, the newest first")
    listing.add_argument("--all", action="store_true", help="also those that were dealt with")
    showing = verbs.add_parser("show", help="one of them, with its body")
    sending = verbs.add_parser("requeue", help="send the same message again, with the same id")
    dealing = verbs.add_parser("deal-with", help="mark it as dealt with; nothing is sent")
    for verb in (showing, sending, dealing):
        verb.add_argument("number", type=int, help="its number in the list")
    for verb in (listing, showing):
        verb.add_argument("--json", action="store_true", help="print one JSON object")
    for verb in (sending, dealing):
        staff.add_argument(verb)
    dealing.add_argument("--reason", required=True, help="what was done, or why nothing need be")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Carry out the action, and return 0. Raises CommandError with the reason if it is impossible."""
    match options["verb"]:
        case "list":
            _list(out, options)
        case "show":
            _show(out, _letter(options["number"]), as_json=options["json"])
        case "requeue":
            by = staff.require(options["by"], "payments.requeue_deadletter")
            _requeue(by, options["number"])
            out.write("Sent again. If it dies again, it is listed again.")
        case _:
            by = staff.require(options["by"], "payments.deal_with_deadletter")
            _deal_with(by, options["number"], options["reason"])
            out.write("Marked as dealt with.")
    return 0


def _requeue(by: Author, number: int) -> None:
    with _recorded(by, "requeue", "Requeue", number):
        requeue_dead_letter(number, by=by.name)


def _deal_with(by: Author, number: int, reason: str) -> None:
    with _recorded(by, "deal_with", "Mark as dealt with", number, reason):
        deal_with_dead_letter(number, by=by.name, note=reason)


@contextmanager
def _recorded(by: Author, action: str, what: str, number: int, why: str = "") -> Iterator[None]:
    """Record the action on a dead letter in the action's transaction.

    Raises CommandError if it is refused.
    """
    letter = _letter(number)
    try:
        with transaction.atomic():
            yield
            record(by, action, what, subject_of(letter), Details(why))
    except OperationRejected as refusal:
        raise CommandError(str(refusal)) from None


def _letter(number: int) -> DeadLetter:
    letter = DeadLetter.objects.filter(pk=number).first()
    if letter is None:
        raise CommandError("There is no such dead letter.")
    return letter


def _list(out: Output, options: Mapping[str, Any]) -> None:
    letters = DeadLetter.objects.order_by("-died_at")
    if not options["all"]:
        letters = letters.filter(OPEN_LETTER)
    found = list(letters[:MOST])
    left_out = max(0, letters.count() - MOST)
    if options["json"]:
        write_json(out, {"dead_letters": [_as_dict(letter) for letter in found], "left_out": left_out})
    elif not found:
        out.write("There is no dead letter." if options["all"] else "No dead letter waits for staff.")
    else:
        rows = [
            (
                str(each.pk),
                f"{each.died_at:%Y-%m-%d %H:%M}",
                _state(each),
                each.type,
                each.subject[:12],
                each.reason,
            )
            for each in found
        ]
        write_table(out, ("NO", "DIED", "STATE", "TYPE", "ABOUT", "REASON"), rows)
        if left_out:
            out.write(f"… and {left_out} more.")


def _state(letter: DeadLetter) -> str:
    if letter.dealt_with_at is not None:
        return "dealt with"
    return "waits" if letter.requeued_at is None else "sent again"


def _show(out: Output, letter: DeadLetter, *, as_json: bool) -> None:
    refusal = why_not_requeued(letter)
    if as_json:
        write_json(out, {**_as_dict(letter), "why_not_requeued": refusal})
        return
    for name, value in _as_dict(letter).items():
        if value not in ("", None):
            write_wrapped(out, f"{name:<16} ", str(value))
    out.write("")
    write_wrapped(out, "", refusal or "It can be sent again: gateway dead-letters requeue.")


def _as_dict(letter: DeadLetter) -> dict[str, Any]:
    return {"number": letter.pk, **{name: getattr(letter, name) for name in FIELDS}}
