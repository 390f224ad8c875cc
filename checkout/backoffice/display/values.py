"""The formatting of values in the back office."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.timesince import timesince

from checkout.backoffice.display.localised import minute_text, money_text, second_text
from checkout.money import Money, exponent
from checkout.payments.models import Payment

NOTHING = "-"
# A name may be broken before a capital that follows a small letter, and after a point or an underscore.
_PARTS = re.compile(r".+?(?:(?<=[._])|(?<=[a-z])(?=[A-Z])|$)", re.DOTALL)
_TOLD = re.compile(r"(-?[\d,]+(?:\.\d+)?) ([A-Z]{3})")
_AMOUNT = re.compile(r"-?[\d,.]+ [A-Z]{3}|-?[^\d\s_-]{1,4}\s?[\d,.]+")

# Names of states in the code that staff would not understand.
_STATE_WORDS = {
    "captured": "paid",
    "capture_pending": "paid, capture on its way",
    "partially_captured": "captured in part",
    "partially_refunded": "refunded in part",
    "confirming": "outcome not known yet",
    "unknown": "not known yet",
    "parked": "needs a decision",
}
_TONES = {
    state: tone
    for tone, states in {
        "paid": "captured capture_pending authorised partially_captured completed done applied resolved "
        "delivered active enabled sent_again reversed",
        "under-way": "processing challenge_required challenge_returned confirming void_pending requested "
        "pending running submitted open waiting received asked",
        "needs-person": "conflicted parked unreadable unmatched unknown paused decision information",
        "lost": "refused charged_back failed disabled",
    }.items()
    for state in states.split()
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table on a page. The first cell of each row is its heading."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    if_empty: str

    @property
    def cells(self) -> list[list[tuple[object, bool]]]:
        """The cells of each row. Each has True with it if it is an amount, which must stay on one line."""
        return [[(cell, bool(_AMOUNT.fullmatch(str(cell)))) for cell in row] for row in self.rows]


def age(since: datetime) -> str:
    """Return the time since ``since``, in its largest unit."""
    return timesince(since, depth=1)


def short_time(at: datetime) -> str:
    """Return a time to the minute. A tooltip shows it to the second."""
    shown, exact = minute_text(at), second_text(at)
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, shown)


def duration_text(duration: timedelta | None) -> str:
    """Return a duration in a suitable unit; empty if it is not known."""
    if duration is None:
        return ""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def quantity_text(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 time``, ``2 times``."""
    return f"{number} {noun}{pluralize(number)}"


def humanised(name: str) -> str:
    """Return a name from the code as words: ``challenge_required`` becomes "challenge required"."""
    return name.replace("_", " ").replace(".", ": ", 1)


def told_amount(data: Mapping[str, str]) -> str:
    """Return the amount in the data of a fact, such as ``12.50 GBP``, in the reader's format."""
    text = data.get("amount", "")
    found = _TOLD.fullmatch(text)
    if found is None:
        return text or NOTHING
    digits, currency = found.groups()
    minor = int(Decimal(digits.replace(",", "")).scaleb(exponent(currency)))
    return money_text(Money(minor, currency))


def lines_text(lines: Sequence[Mapping[str, object]]) -> str:
    """Return the lines of an order as words: ``2 of TEA-100, 1 of BAG-040``."""
    return ", ".join(f"{line['quantity']} of {line['sku']}" for line in lines) or NOTHING


def breakable(name: str) -> str:
    """Return a name such as ``payment.captured`` with places for line breaks between its words."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in _PARTS.findall(name)))


def state_text(state: str) -> str:
    """Return a state in the words that staff use: ``captured`` becomes "paid"."""
    return _STATE_WORDS.get(state) or humanised(state)


def badge(state: str, words: str = "") -> str:
    """Return a state as a coloured label. The colour repeats the words' meaning."""
    tone = _TONES.get(state, "ended")
    return format_html('<span class="state tone-{}">{}</span>', tone, words or state_text(state))


def text_block(text: str) -> str:
    """Return text, such as a scrubbed transcript, as HTML that keeps the line breaks."""
    return format_html('<pre class="transcript" tabindex="0">{}</pre>', text) if text else NOTHING


def json_block(value: object) -> str:
    """Return a JSON value, indented."""
    return text_block(json.dumps(value, indent=2, ensure_ascii=False))


def payment_link(reference: str) -> str:
    """Return a link that finds a payment by the reference, for tables without a relation to payments."""
    if not reference:
        return NOTHING
    return format_html(
        '<a href="{}?q={}">{}</a>', reverse("admin:payments_payment_changelist"), reference, reference
    )


def payment_page_link(payment: Payment) -> str:
    """Return a link to a payment's page."""
    address = reverse("admin:payments_payment_change", args=[payment.pk])
    return format_html('<a href="{}">{}</a>', address, payment.order_reference)
