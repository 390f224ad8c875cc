"""A month, and the message ids that belong to it."""

from dataclasses import dataclass
from datetime import UTC, datetime

# So many months are made in advance, in case the program that makes them does not run for a while.
AHEAD = 3


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """A month of Coordinated Universal Time."""

    year: int
    number: int

    @classmethod
    def of(cls, when: datetime) -> "Month":
        """Return the month of an aware time."""
        at = when.astimezone(UTC)
        return cls(at.year, at.month)

    def __str__(self) -> str:
        return f"{self.year}_{self.number:02}"

    @classmethod
    def named(cls, text: str) -> "Month":
        """Return the month whose ``str()`` is ``text``."""
        year, _, number = text.partition("_")
        return cls(int(year), int(number))

    @property
    def next(self) -> "Month":
        """The following month."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def begin(self) -> datetime:
        """The month's first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def first_id(self) -> str:
        """The smallest beginning of an id of the month: UUIDs of version 7 begin with their milliseconds."""
        digits = f"{int(self.begin.timestamp() * 1000):012x}"
        return f"{digits[:8]}-{digits[8:]}"


def months_from(now: datetime) -> list[Month]:
    """Return the months for which a table should have partitions, from the month of ``now`` on."""
    months = [Month.of(now)]
    while len(months) <= AHEAD:
        months.append(months[-1].next)
    return months
