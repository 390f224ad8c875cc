"""The time that a run covers, and the marks from which the next run continues."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from checkout.conf import conf
from checkout.payments.calls import time_to_show

# Rows are dated before they are committed, by processes whose clocks differ.
OVERLAP = timedelta(minutes=5)


def time_to_compare() -> timedelta:
    """Return the age from which a change is complete in both books, so that no later run examines it again.

    Younger changes may not be committed yet, be on their way to a service, or not show in the provider's
    queries.
    """
    return max(OVERLAP, conf.service_wait, time_to_show())


def time_to_list() -> timedelta:
    """Return the age from which an order is in the provider's list, if there is money in it.

    An order is listed by the time of its submission, but only once the shopper has ended each challenge.
    """
    challenges = conf.max_challenges * conf.challenge_lifetime
    return max(OVERLAP, conf.service_wait, challenges + conf.settling_time + conf.order_lag)


@dataclass(frozen=True, slots=True)
class Period:
    """The changes that a run examines: those from ``since`` on, or all if that is None.

    Changes after ``until`` are examined again by the next run. ``leaves_no_gap`` says that earlier runs have
    examined all that changed before ``since``.
    """

    since: datetime | None
    until: datetime
    leaves_no_gap: bool

    def mark(self, reached: datetime) -> datetime | None:
        """Return the time from which the next run continues if this one has come to ``reached``.

        A run that leaves a gap has none: the next run continues from the mark of an earlier one.
        """
        return min(reached, self.until) if self.leaves_no_gap else None


def period_of(asked: datetime | None, mark: datetime | None, until: datetime) -> Period:
    """Return the period from the time that was ``asked`` for, or else from the ``mark`` of earlier runs."""
    leaves_no_gap = asked is None or (mark is not None and asked <= mark)
    return Period(mark if asked is None else asked, until, leaves_no_gap)
