"""Write the tables of ``docs/life-cycle.md`` from the code: ``python -m scripts.life_cycle_page``."""

import os
from pathlib import Path

import django

PAGE = Path(__file__).resolve().parent.parent / "docs" / "life-cycle.md"
BEGIN = "<!-- {}, made by python -m scripts.life_cycle_page -->\n"
END = "<!-- The end of what is made -->\n"

MEANINGS = {
    "open": "A shopper may pay it. No attempt was made.",
    "processing": "An attempt is under way.",
    "action_required": "The shopper has to complete a challenge at the card's issuer.",
    "unknown": "Money may be held or taken, or not. The provider is asked, then staff decide.",
    "declined": "The last attempt ended without money. Another may follow if `can_retry` says so.",
    "authorised": "The amount is held on the card, and not taken.",
    "capture_pending": "The provider has accepted a capture, but may still refuse it.",
    "partially_captured": "A part of the amount is certainly taken.",
    "captured": "The whole amount is certainly taken.",
    "void_pending": "The provider is asked to release the amount. It may still be held.",
    "voided": "The amount was released, and nothing is held any more.",
    "partially_refunded": "Money was taken, and a part of it was given back.",
    "refunded": "Money was taken, and all of it was given back.",
    "disputed": "Money was taken, and an issuer has taken some or all of it back.",
    "cancelled": "It was closed without having been paid.",
    "expired": "It was not paid in time, or its authorisation has lapsed.",
}

OPERATIONS = ("capture", "void", "refund")


def page(text: str) -> str:
    """Return the text of the page, with the present tables between the marks."""
    for name, table in (("States", _states()), ("Events", _events())):
        before, mark, rest = text.partition(BEGIN.format(name))
        after = rest.partition(END)[2]
        text = f"{before}{mark}\n{table}\n\n{END}{after}"
    return text


def _states() -> str:
    from checkout.payments.objects.payment import FINAL, FINAL_WITHOUT_A_REST, PaymentStatus

    events = _events_by_state()
    rows = ["| state | meaning | `is_final` | events that lead to it |", "|---|---|---|---|"]
    for status in PaymentStatus:
        is_final = "yes" if status in FINAL else "no"
        if status in FINAL_WITHOUT_A_REST:
            is_final = "once nothing is left to capture"
        types = ", ".join(f"`{type}`" for type in events.get(status, ["payment.created"]))
        rows.append(f"| `{status}` | {MEANINGS[status]} | {is_final} | {types} |")
    return "\n".join(rows)


def _events_by_state() -> dict[str, list[str]]:
    """Return the types of the events that lead to each state."""
    from checkout.payments.events.types import type_of_move
    from checkout.payments.objects.payment import STATUSES
    from checkout.states import PAYMENT_EDGES

    events: dict[str, list[str]] = {}
    for edge in PAYMENT_EDGES:
        known = events.setdefault(STATUSES[edge.target], [])
        for source in sorted(edge.sources):
            for is_by_capture in (False, True):
                type = type_of_move(edge.event, source, is_by_capture=is_by_capture)
                if type not in known:
                    known.append(type)
    return events


def _events() -> str:
    """Return the table of events. Captures, voids and refunds share a row if the text is the same."""
    from checkout.payments.events import EVENT_TYPES

    types: dict[str, list[str]] = {}
    for type, meaning in EVENT_TYPES.items():
        kind = type.partition(".")[0]
        shared = (
            meaning.replace(kind, "operation").replace("A op", "An op") if kind in OPERATIONS else meaning
        )
        types.setdefault(shared, []).append(f"`{type}`")
    rows = [f"| {', '.join(names)} | {meaning} |" for meaning, names in types.items()]
    return "\n".join(["| type | meaning |", "|---|---|", *rows])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    django.setup()
    PAGE.write_text(page(PAGE.read_text()))
