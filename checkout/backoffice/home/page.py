"""The content of the first page: the figures of a period in tiles, charts and tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.http import urlencode

from checkout.backoffice.display.localised import hour_text, money_text, weekday_text
from checkout.backoffice.display.values import Table, humanised, quantity_text
from checkout.backoffice.home.charts import Bar, Chart, Shares, percent
from checkout.backoffice.home.figures import (
    DAYS,
    PERMISSION,
    Figures,
    Period,
    Sums,
    duration_within,
    figures_of,
    visible_figures,
    visible_merchants,
)
from checkout.money import Money
from checkout.payments.models import HourlyFigure, Merchant, RetentionWalk
from checkout.payments.models.figures import REFUSED_BECAUSE, TOOK, TOOK_WITH_CHALLENGE, Figure

USUAL_DAYS = 7
_PERIODS = {1: "Today", 7: "7 days", 30: "30 days"}
_BEFORE = {1: "yesterday until this hour", 7: "the 7 days before", 30: "the 30 days before"}
# The table shows only the merchants with the most paid payments.
MOST_MERCHANTS = 25


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure: its name, its values with their changes from the period before, and a note."""

    name: str
    values: Sequence[tuple[str, str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice of figures: a number of days, and one merchant or currency if chosen."""

    days: int
    merchant: Merchant | None
    currency: str

    @classmethod
    def of(cls, request: HttpRequest) -> "Choice":
        """Return the choice in the query of the page's address. Invalid parts are ignored."""
        wanted = {name: request.GET.get(name, "") for name in ("days", "merchant", "currency")}
        days = next((each for each in DAYS if str(each) == wanted["days"]), USUAL_DAYS)
        merchants = visible_merchants(request.user).filter(code=wanted["merchant"])
        return cls(days, merchants.first() if wanted["merchant"] else None, wanted["currency"])

    def address(self, **others: str | int) -> str:
        """Return the query string of this choice with some parts replaced."""
        code = self.merchant.code if self.merchant else ""
        parts: dict[str, str | int] = {
            "days": self.days,
            "merchant": code,
            "currency": self.currency,
            **others,
        }
        return "?" + urlencode({name: value for name, value in parts.items() if value})


def figures_context(request: HttpRequest) -> dict[str, Any]:
    """Return the template context of the figures; empty if the user may not see payments."""
    if not request.user.has_perm(PERMISSION):
        return {}
    choice = Choice.of(request)
    rows = visible_figures(request.user)
    if choice.merchant is not None:
        rows = rows.filter(merchant=choice.merchant)
    period = Period.of(choice.days)
    figures = figures_of(rows, period)
    currencies = sorted({*figures.now.values, *figures.before.values})
    if choice.currency in currencies:
        figures = figures.of_currency(choice.currency)
    walk = RetentionWalk.objects.filter(table=HourlyFigure._meta.db_table).first()
    return {
        "figures": {
            "choice": choice,
            "periods": [
                (choice.address(days=days), name, days == choice.days) for days, name in _PERIODS.items()
            ],
            "currencies": _currencies(choice, currencies),
            "merchants": visible_merchants(request.user).order_by("name"),
            "before": _BEFORE[choice.days],
            "as_of": walk.began_at if walk else None,
            "tiles": list(_tiles(figures)),
            "chart": _chart(figures, period),
            "shares": list(_shares(figures.now)),
            "times": list(_times(figures.now)),
            "by_merchant": _by_merchant(figures.merchants, choice),
        }
    }


def _currencies(choice: Choice, currencies: Sequence[str]) -> list[tuple[str, str, bool]]:
    if len(currencies) < 2:
        return []
    links = [(choice.address(currency=each), each, each == choice.currency) for each in currencies]
    return [(choice.address(currency=""), "All currencies", choice.currency not in currencies), *links]


def _tiles(figures: Figures) -> Iterator[Tile]:
    now, before = figures.now, figures.before
    yield Tile("Paid", list(_amounts(now, before, Figure.PAID_MINOR)))
    yield _number("Payments paid", now, before, Figure.PAID)
    approved, refused = now.total(Figure.APPROVED), now.total(Figure.REFUSED)
    yield Tile(
        "Cards approved",
        [_rate(now, before, Figure.APPROVED, Figure.APPROVED, Figure.REFUSED)],
        f"{approved} of {quantity_text(approved + refused, 'answered attempt')}"
        if approved + refused
        else "",
    )
    passed = percent(
        now.total(Figure.CHALLENGE_PASSED),
        now.total(Figure.CHALLENGE_PASSED) + now.total(Figure.CHALLENGE_FAILED),
    )
    yield Tile(
        "Sent to the bank's check",
        [_rate(now, before, Figure.CHALLENGED, Figure.APPROVED, Figure.REFUSED)],
        f"{passed} of the answered ones were approved" if passed else "",
    )
    yield _number("Refunds", now, before, Figure.REFUNDS, Figure.REFUNDED_MINOR)
    yield _number("Disputes", now, before, Figure.DISPUTES, Figure.DISPUTED_MINOR)


def _amounts(now: Sums, before: Sums, name: str) -> Iterator[tuple[str, str]]:
    earlier = before.amounts(name)
    amounts = now.amounts(name)
    for currency, minor in amounts.items():
        yield money_text(Money(minor, currency)), _change(minor, earlier.get(currency, 0))
    if not amounts:
        yield "0", _change(0, sum(earlier.values()))


def _number(name: str, now: Sums, before: Sums, counted: str, amount: str = "") -> Tile:
    number = now.total(counted)
    sums = now.amounts(amount) if amount else {}
    note = ", ".join(money_text(Money(minor, currency)) for currency, minor in sums.items())
    return Tile(name, [(str(number), _change(number, before.total(counted)))], note)


def _rate(now: Sums, before: Sums, part: str, *whole: str) -> tuple[str, str]:
    """Return a share in percent, and the difference in points from the share of the period before."""
    shares = []
    for sums in (now, before):
        total = sum(sums.total(name) for name in whole)
        shares.append(100 * sums.total(part) / total if total else None)
    share, earlier = shares
    if share is None:
        return "-", ""
    shown = percent(now.total(part), sum(now.total(name) for name in whole))
    if earlier is None:
        return shown, "none before"
    points = round(share - earlier, 1)
    if not points:
        return shown, "as before"
    return shown, f"{abs(points):.1f} points {'more' if points > 0 else 'less'}"


def _change(now: int, before: int) -> str:
    """Return in words how a number differs from that of the period before."""
    if now == before:
        return "as before" if now else ""
    if not before:
        return "none before"
    difference = round(100 * abs(now - before) / before)
    return f"{difference or 'under 1'} % {'more' if now > before else 'less'}"


def _chart(figures: Figures, period: Period) -> Chart:
    unit = "hour" if period.is_one_day else "day"
    bars = [
        Bar(_label(part, period), sums.total(Figure.PAID), _money(sums.amounts(Figure.PAID_MINOR)))
        for part, sums in figures.parts.items()
    ]
    most = max(bars, key=lambda bar: bar.value)
    paid = figures.now.total(Figure.PAID)
    says = f"{quantity_text(paid, 'payment')} paid"
    if paid:
        says += f", most {'at' if period.is_one_day else 'on'} {most.label} ({most.value})"
    return Chart(f"Paid by {unit}", says, bars, (unit.capitalize(), "Payments", "Amount"))


def _label(part: datetime, period: Period) -> str:
    return hour_text(part) if period.is_one_day else weekday_text(part)


def _money(amounts: Mapping[str, int]) -> str:
    return ", ".join(money_text(Money(minor, currency)) for currency, minor in amounts.items())


def _shares(now: Sums) -> Iterator[Shares]:
    steps = {
        "Created": Figure.CREATED,
        "Pay pressed": Figure.TRIED,
        "Approved": Figure.AUTHORISED,
        "Paid, and not released since": Figure.PAID,
    }
    created = now.total(Figure.CREATED)
    funnel = [Bar(label, now.total(name)) for label, name in steps.items()] if created else []
    yield Shares("From created to paid", funnel, created, "No payment was created.")
    refused = now.total(Figure.REFUSED)
    reasons = now.beginning_with(REFUSED_BECAUSE).most_common()
    bars = [Bar(humanised(reason), number) for reason, number in reasons if number]
    if others := refused - sum(number for _, number in reasons):
        bars.append(Bar("no reason was told", others))
    yield Shares("Refused because", bars, refused, "Nothing was refused.")
    tiers = {
        "while the request was held": Figure.HELD,
        "pushed to the page": Figure.PUSHED,
        "later: the page asked, or nobody waited": Figure.POLLED,
    }
    answered = sum(now.total(name) for name in tiers.values())
    bars = [Bar(label, now.total(name)) for label, name in tiers.items()] if answered else []
    yield Shares("How the first result reached the shopper", bars, answered, "No payment has had a result.")


def _times(now: Sums) -> Iterator[tuple[str, str]]:
    """Yield in words the time from Pay to the result that approved attempts took."""
    for name, prefix in (("Without the bank's check", TOOK), ("With the bank's check", TOOK_WITH_CHALLENGE)):
        counts = now.beginning_with(prefix)
        if sum(counts.values()):
            yield name, f"half {_within(counts, 0.5)}, 95 % {_within(counts, 0.95)}"


def _within(counts: Mapping[str, int], share: float) -> str:
    milliseconds = duration_within(counts, share)
    if milliseconds is None:
        return "in more than 5 minutes"
    seconds = milliseconds / 1_000
    return f"within {seconds:g} s" if seconds < 60 else f"within {seconds / 60:g} min"


def _by_merchant(merchants: Mapping[tuple[str, str], Sums], choice: Choice) -> Table | None:
    """Return the table of merchants; None if there is at most one."""
    if len(merchants) < 2:
        return None
    most = sorted(merchants.items(), key=lambda each: (-each[1].total(Figure.PAID), each[0]))
    rows = [
        (
            format_html('<a href="{}">{}</a>', choice.address(merchant=code), name),
            sums.total(Figure.PAID),
            _money(sums.amounts(Figure.PAID_MINOR)),
            percent(sums.total(Figure.APPROVED), sums.total(Figure.APPROVED) + sums.total(Figure.REFUSED)),
            sums.total(Figure.REFUNDS),
            sums.total(Figure.DISPUTES),
        )
        for (code, name), sums in most[:MOST_MERCHANTS]
    ]
    title = (
        "By merchant" if len(most) <= MOST_MERCHANTS else f"The {MOST_MERCHANTS} merchants with most payments"
    )
    return Table(title, ("Merchant", "Payments paid", "Amount", "Approved", "Refunds", "Disputes"), rows, "")
