"""Dates and times as people write them in their language, by CLDR."""

from datetime import UTC, datetime, timedelta, timezone

from babel.dates import format_date, format_time, get_datetime_format

from checkout.localised_money import ENGLISH, known_locale

# Our English is British: CLDR's "en" writes the month first.
_BRITISH = "en-GB"
_MINUS = "\N{MINUS SIGN}"


def localised_time(moment: datetime, locale: str = "", minutes_behind_utc: int | None = None) -> str:
    """Return a date and time with its distance from UTC: 2 December 2026, 20:40 UTC+1.

    ``minutes_behind_utc`` is what browsers report of their zone (``Date.getTimezoneOffset``). Without it, the
    time is in UTC.
    """
    known = known_locale(_BRITISH if locale in ("", ENGLISH) else locale)
    ahead = timedelta(minutes=-(minutes_behind_utc or 0))
    local = moment.astimezone(timezone(ahead) if ahead else UTC)
    pattern = str(get_datetime_format("medium", locale=known)).replace("'", "")
    date, time = format_date(local, "long", locale=known), format_time(local, "short", locale=known)
    return f"{pattern.format(time, date)} {_zone(ahead)}"


def _zone(ahead: timedelta) -> str:
    minutes = round(ahead.total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else _MINUS}{hours}{f':{rest:02}' if rest else ''}"
