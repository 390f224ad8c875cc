"""The figures of a period and of the period before, from the table of hourly figures."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from checkout.backoffice.rights.merchants import visible
from checkout.payments.models import HourlyFigure, Merchant
from checkout.payments.models.figures import DURATIONS, Figure

DAYS = (1, 7, 30)
PERMISSION = "payments.view_payment"
_HOUR = timedelta(hours=1)
# The figures that are read for each merchant, and for each bar of the chart.
_OF_MERCHANTS = (
    Figure.PAID, Figure.PAID_MINOR, Figure.APPROVED, Figure.REFUSED, Figure.REFUNDS, Figure.DISPUTES,
)  # fmt: skip
_OF_BARS = (Figure.PAID, Figure.PAID_MINOR)


def visible_merchants(user: Any) -> QuerySet[Merchant]:
    """Return the merchants whose figures ``user`` may see."""
    return visible(Merchant.objects.all(), user) if user.has_perm(PERMISSION) else Merchant.objects.none()


def visible_figures(user: Any) -> QuerySet[HourlyFigure]:
    """Return the figures that ``user`` may see."""
    return HourlyFigure.objects.filter(merchant__in=visible_merchants(user))


@dataclass(frozen=True, slots=True)
class Period:
    """A number of days until now, in the reader's time zone, and an equal time before them.

    Figures are kept by the hour, so the present hour counts as a whole.
    """

    days: int
    start: datetime
    end: datetime

    @classmethod
    def of(cls, days: int) -> "Period":
        """Return the period of ``days`` days that ends with today."""
        now = timezone.localtime()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        return cls(days, midnight - timedelta(days=days - 1), this_hour + _HOUR)

    @property
    def now(self) -> Q:
        """Return the condition that matches figures of this period."""
        return Q(hour__gte=self.start, hour__lt=self.end)

    @property
    def before(self) -> Q:
        """Return the condition that matches figures of the period before."""
        earlier = timedelta(days=self.days)
        return Q(hour__gte=self.start - earlier, hour__lt=self.end - earlier)

    @property
    def is_one_day(self) -> bool:
        """Return True if the parts of the period are hours, and not days."""
        return self.days == 1

    def parts(self) -> list[datetime]:
        """Return the start times of the hours or days of the period."""
        if self.is_one_day:
            hours = int((self.end - self.start) / _HOUR)
            return [self.start + number * _HOUR for number in range(hours)]
        return [self.start + timedelta(days=number) for number in range(self.days)]

    def part_of(self, hour: datetime) -> datetime:
        """Return the start time of the hour or day to which the figures of an hour belong."""
        local = timezone.localtime(hour)
        return local.replace(minute=0) if self.is_one_day else local.replace(hour=0, minute=0)


@dataclass(slots=True)
class Sums:
    """Sums of figures by currency and name."""

    values: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, currency: str, name: str, value: int | None) -> None:
        """Add a figure."""
        self.values[currency][name] += value or 0

    def of_currency(self, currency: str) -> "Sums":
        """Return the figures of one currency."""
        return Sums({currency: self.values[currency]} if currency in self.values else {})

    def total(self, name: str) -> int:
        """Return the sum of a figure over all currencies."""
        return sum(figures[name] for figures in self.values.values())

    def amounts(self, name: str) -> Mapping[str, int]:
        """Return the sums of a figure that are not zero, in minor units by currency.

        The currency used most is first.
        """
        used = sorted(self.values, key=lambda currency: (-self.values[currency][Figure.PAID], currency))
        return {currency: self.values[currency][name] for currency in used if self.values[currency][name]}

    def beginning_with(self, prefix: str) -> Counter[str]:
        """Return the figures whose names begin with a text, by the rest of their names."""
        found = Counter[str]()
        for figures in self.values.values():
            for name, value in figures.items():
                if name.startswith(prefix):
                    found[name.removeprefix(prefix)] += value
        return found


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of a period, of the one before, of each hour or day, and of each merchant (code, name)."""

    now: Sums
    before: Sums
    parts: Mapping[datetime, Sums]
    merchants: Mapping[tuple[str, str], Sums]

    def of_currency(self, currency: str) -> "Figures":
        """Return the figures of one currency."""
        return Figures(
            self.now.of_currency(currency),
            self.before.of_currency(currency),
            {part: sums.of_currency(currency) for part, sums in self.parts.items()},
            {merchant: sums.of_currency(currency) for merchant, sums in self.merchants.items()},
        )


def figures_of(rows: QuerySet[HourlyFigure], period: Period) -> Figures:
    """Add up figures in three queries. Their cost grows with the hours, merchants and currencies."""
    now, before = Sums(), Sums()
    both = rows.order_by().filter(period.now | period.before).values("currency", "name")
    for row in both.annotate(now=Sum("value", filter=period.now), before=Sum("value", filter=period.before)):
        now.add(row["currency"], row["name"], row["now"])
        before.add(row["currency"], row["name"], row["before"])
    during = rows.order_by().filter(period.now)
    parts = {part: Sums() for part in period.parts()}
    by_hour = during.filter(name__in=_OF_BARS).values_list("hour", "currency", "name")
    for hour, currency, name, value in by_hour.annotate(Sum("value")):
        if (part := period.part_of(hour)) in parts:
            parts[part].add(currency, name, value)
    merchants: dict[tuple[str, str], Sums] = defaultdict(Sums)
    by_merchant = during.filter(name__in=_OF_MERCHANTS).values_list(
        "merchant__code", "merchant__name", "currency", "name"
    )
    for code, named, currency, name, value in by_merchant.annotate(Sum("value")):
        merchants[code, named].add(currency, name, value)
    return Figures(now, before, parts, merchants)


def duration_within(counts: Mapping[str, int], share: float) -> int | None:
    """Return the milliseconds within which ``share`` of the durations lie; None if that is above all limits.

    The value is the upper limit of the group of durations in which the share is reached. ``counts`` may not
    be empty.
    """
    wanted, so_far = share * sum(counts.values()), 0
    for milliseconds in DURATIONS:
        so_far += counts.get(str(milliseconds), 0)
        if so_far >= wanted:
            return milliseconds
    return None
