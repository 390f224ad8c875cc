"""``manage.py gateway audit-verify``: verifies the hash chain of the audit log."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from checkout.audit.chain import Anchor, verify
from checkout.management.gateway.output import Output, write_json, write_wrapped

HELP = (
    "Reads the whole audit log, and names the first entry that was changed, left out or put in between. "
    "Prints the number and digest of the last entry: keep them elsewhere, and give them with --anchor later, "
    "because nothing else shows that the end was cut off or that all of it was written anew. Exits with 1 if "
    "anything is wrong."
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the anchor (an earlier digest), and the form of the output."""
    parser.add_argument("--anchor", metavar="NUMBER:DIGEST", help="what this command printed before")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Verify the chain. Return 0, or 1 if the chain is broken.

    Raises CommandError for an unreadable anchor.
    """
    found = verify(_anchor(options["anchor"]) if options["anchor"] else None)
    anchor = f"{found.entries}:{found.digest}" if found.entries else ""
    if options["json"]:
        told = {"ok": not found.fault, "entries": found.entries, "erased": found.erased}
        write_json(out, {**told, "anchor": anchor, "fault": found.fault})
        return 1 if found.fault else 0
    if found.fault:
        write_wrapped(out, "WRONG  ", found.fault)
        write_wrapped(out, "       ", f"The {found.entries} entries before it hold.")
        return 1
    write_wrapped(
        out, "ok     ", f"All {found.entries} entries hold. The details of {found.erased} are erased."
    )
    if anchor:
        out.write(f"       {anchor}")
    return 0


def _anchor(text: str) -> Anchor:
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != 64:
        raise CommandError(f"{text} is no anchor. Write a number, a colon and a digest, as this prints them.")
    return Anchor(int(number), digest)
