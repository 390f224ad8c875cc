"""A purchase as one table: the browser's exchanges, and the gateway's records of the same purchase."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from urllib.parse import urlsplit

from django.template.defaultfilters import pluralize

from checkout.payments.timeline import Entry
from checkout.tryout.browser import Hop

BROWSER = "browser"
LONG_SEGMENT = 20
KEPT = 10


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of the table. Times are in milliseconds. ``at_ms`` counts from the first exchange."""

    at_ms: float
    kind: str
    what: str
    detail: str
    duration_ms: float | None


def lines_of(hops: Sequence[Hop], entries: Iterable[Entry]) -> list[ReportLine]:
    """Merge the exchanges and the records by time. The clocks of gateway and shopper must agree."""
    events = [
        *_browser_events(hops),
        *((entry.at, entry.kind, entry.what, entry.detail, entry.duration) for entry in entries),
    ]
    events.sort(key=lambda event: event[0])
    start = hops[0].at if hops else None
    return [
        ReportLine(
            at_ms=_milliseconds(at - (start or at)),
            kind=kind,
            what=what,
            detail=detail,
            duration_ms=None if duration is None else _milliseconds(duration),
        )
        for at, kind, what, detail, duration in events
    ]


def _browser_events(hops: Sequence[Hop]) -> Iterator[tuple[datetime, str, str, str, timedelta | None]]:
    """Yield the browser's exchanges. Repeated requests with the same answer become one line."""
    for _same, group in groupby(hops, key=lambda hop: (hop.method, hop.url, hop.status)):
        first, *more = group
        detail = f"{first.status}, {' '.join(first.sent_cookies) or 'no cookie'}"
        if more:
            seconds = (more[-1].at - first.at).total_seconds()
            detail += f", asked {len(more)} more time{pluralize(len(more))} within {seconds:.1f} s"
        yield first.at, BROWSER, f"{first.method} {shortened(first.url)}", detail, first.duration


def shortened(url: str) -> str:
    """Return the host and the path. Only the first characters of tokens and references are kept."""
    parts = urlsplit(url)
    segments = [
        f"{segment[:KEPT]}…" if len(segment) > LONG_SEGMENT else segment for segment in parts.path.split("/")
    ]
    return parts.netloc + "/".join(segments)


def table(lines: Iterable[ReportLine]) -> Iterator[str]:
    """Return the lines as text. The gateway's own hops are indented below the browser's."""
    yield f"{'at':>8}  {'took':>7}  {'where':<13}  what"
    for line in lines:
        took = "" if line.duration_ms is None else f"{line.duration_ms:.0f} ms"
        indent = "" if line.kind == BROWSER else "  "
        yield f"{line.at_ms / 1000:>7.3f}s  {took:>7}  {line.kind:<13}  {indent}{line.what}  {line.detail}"


def _milliseconds(duration: timedelta) -> float:
    return round(duration / timedelta(milliseconds=1), 1)
