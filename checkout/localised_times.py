"""Dates and times as people write them in their language, by CLDR."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_datetime_format

from checkout.localised_money import ENGLISH, known_locale

# Our English is British. CLDR's "en" writes the month first.
_BRITISH = "en-GB"
_MINUS = "\N{MINUS SIGN}"


def localised_time(moment: datetime, locale: str = "", minutes_behind_utc: int | None = None) -> str:
    """Return a date and time with its distance from UTC: 2 December 2026, 20:40 UTC+1.

    ``minutes_behind_utc`` is the browser's ``Date.getTimezoneOffset``. Without it, the time is in UTC.
    """
    ahead = timedelta(minutes=-(minutes_behind_utc or 0))
    local = moment.astimezone(timezone(ahead) if ahead else UTC)
    return f"{_written(local, _known(locale), 'long')} {_zone(ahead)}"


def localised_minute(moment: datetime, locale: str = "") -> str:
    """Return a date and time in the zone of ``moment``, without the zone's name: 2 Dec 2026, 20:40."""
    return _written(moment, _known(locale), "medium")


def localised_day(day: date, locale: str = "") -> str:
    """Return a day: 2 Dec 2026."""
    return format_date(day, "medium", locale=_known(locale))


def localised_hour(moment: datetime, locale: str = "") -> str:
    """Return the time of the day in the zone of ``moment``: 20:40."""
    # Babel would convert a time with a zone to UTC.
    return format_time(moment.time(), "short", locale=_known(locale))


def localised_weekday(day: date, locale: str = "") -> str:
    """Return a day with its weekday and without a year: Wed, 2 Dec."""
    naive = datetime.combine(day, time.min)
    return format_skeleton("MMMEd", naive, locale=_known(locale))


def _written(local: datetime, known: Locale, form: Literal["medium", "long"]) -> str:
    pattern = str(get_datetime_format("medium", locale=known)).replace("'", "")
    hour = format_time(local.time(), "short", locale=known)
    return pattern.format(hour, format_date(local, form, locale=known))


def _known(locale: str) -> Locale:
    return known_locale(_BRITISH if locale in ("", ENGLISH) else locale)


def _zone(ahead: timedelta) -> str:
    minutes = round(ahead.total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else _MINUS}{hours}{f':{rest:02}' if rest else ''}"
