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


def page(text: str) -> str:
    """Return the text of the page, with the present tables between their marks."""
    for name, table in (("States", _states()), ("Moves", _moves()), ("Events", _events())):
        before, mark, rest = text.partition(BEGIN.format(name))
        after = rest.partition(END)[2]
        text = f"{before}{mark}\n{table}\n\n{END}{after}"
    return text


def _states() -> str:
    from checkout.payments.objects.payment import FINAL, FINAL_WITHOUT_A_REST, STATUSES, PaymentStatus

    rows = ["| state | meaning | inside | `is_final` |", "|---|---|---|---|"]
    for status in PaymentStatus:
        inside = ", ".join(f"`{ours}`" for ours, public in STATUSES.items() if public is status)
        is_final = "yes" if status in FINAL else "no"
        if status in FINAL_WITHOUT_A_REST:
            is_final = "once nothing is left to capture"
        rows.append(f"| `{status}` | {MEANINGS[status]} | {inside} | {is_final} |")
    return "\n".join(rows)


def _moves() -> str:
    from checkout.payments.events.types import type_of_move
    from checkout.payments.objects.payment import STATUSES
    from checkout.states import PAYMENT_EDGES

    moves: dict[tuple[str, str], set[str]] = {}
    for edge in PAYMENT_EDGES:
        for source in sorted(edge.sources):
            for is_by_capture in (False, True):
                type = type_of_move(edge.event, source, is_by_capture=is_by_capture)
                moves.setdefault((STATUSES[edge.target], type), set()).add(STATUSES[source])
    rows = ["| to | from | event |", "|---|---|---|"]
    for (target, type), sources in moves.items():
        rows.append(f"| `{target}` | {', '.join(f'`{each}`' for each in sorted(sources))} | `{type}` |")
    return "\n".join(rows)


def _events() -> str:
    from checkout.payments.events import EVENT_TYPES

    rows = [f"| `{type}` | {meaning} |" for type, meaning in EVENT_TYPES.items()]
    return "\n".join(["| type | meaning |", "|---|---|", *rows])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    django.setup()
    PAGE.write_text(page(PAGE.read_text()))
