"""Amounts, dates and times in the formats that the reader of the page has chosen.

``checkout.backoffice.preferences`` activates the reader's time zone and formats. Records, such as the audit
log, are the same for all readers, and use ``localised_money`` without a language.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, tzinfo

from django.utils import timezone
from django.utils.formats import date_format

from checkout.localised_money import localised_money
from checkout.localised_times import localised_day, localised_hour, localised_minute, localised_weekday
from checkout.money import Money

UTC_NAME = "UTC"
_FORMATS: ContextVar[str] = ContextVar("formats", default="")


@contextmanager
def written_for(zone: tzinfo | None, formats: str) -> Iterator[None]:
    """Format times in ``zone``, and dates and amounts in the manner of the language ``formats`` (BCP 47)."""
    token = _FORMATS.set(formats)
    try:
        with timezone.override(zone):
            yield
    finally:
        _FORMATS.reset(token)


def formats() -> str:
    """Return the language (BCP 47) whose formats of dates and amounts are used; empty for English."""
    return _FORMATS.get()


def money_text(amount: Money) -> str:
    """Return an amount in the reader's format: £12.50 or 12,50 £."""
    return localised_money(amount, _FORMATS.get())


def minute_text(at: datetime) -> str:
    """Return a time in the reader's zone, to the minute: 1 Dec 2026, 20:16."""
    return localised_minute(timezone.localtime(at), _FORMATS.get())


def hour_text(at: datetime) -> str:
    """Return the time of the day in the reader's zone: 20:16."""
    return localised_hour(timezone.localtime(at), _FORMATS.get())


def day_text(day: date) -> str:
    """Return a day: 1 Dec 2026. For a time, return its day in the reader's zone."""
    return localised_day(_local(day), _FORMATS.get())


def weekday_text(day: date) -> str:
    """Return a day with its weekday and without a year: Tue 1 Dec."""
    return localised_weekday(_local(day), _FORMATS.get())


def second_text(at: datetime) -> str:
    """Return a time in the reader's zone, to the second and with the zone: 2026-12-01 20:16:13 CET."""
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")


def with_zone(text: str) -> str:
    """Return the text of a time, followed by UTC if the reader has not chosen a zone."""
    return f"{text} {UTC_NAME}" if zone_name() == UTC_NAME else text


def zone_name() -> str:
    """Return the name of the reader's zone: Europe/Berlin."""
    return timezone.get_current_timezone_name()


def _local(day: date) -> date:
    return timezone.localtime(day) if isinstance(day, datetime) else day
