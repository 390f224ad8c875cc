"""Search the keys of rows by the time of their creation, without an index of times.

Keys are nearly in the order of time. Conditions on keys keep PostgreSQL, which reads lists by keys, from
walking through the rest of a long history.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Model, QuerySet, Subquery

# Rows whose keys are in another order than their times were created within less than this time: the clocks of
# hosts differ, and a transaction takes a while.
_SLACK = timedelta(minutes=10)
_FEW_KEYS = 32
# The keys that one statement looks at. Each takes one step in the index of keys.
_AT_ONCE = 32
Row = tuple[int, datetime]


def keys_between(
    model: type[Model], since: datetime | None, until: datetime | None
) -> tuple[int, int | None]:
    """Return the key after which the rows of a period begin, and the highest key that its rows may have.

    The first is 0 and the second None if the period has no such bound. This takes about one statement for
    each factor of 32 in the number of rows after the bound.
    """
    if since is None and until is None:
        return 0, None
    rows = model._default_manager.values_list("pk", "created_at")
    newest = rows.order_by("-pk").first()
    if newest is None:
        return 0, None
    floor = 0 if since is None else _keys_around(rows, newest, since - _SLACK)[0]
    return floor, None if until is None else _keys_around(rows, newest, until + _SLACK)[1]


def _keys_around(rows: "QuerySet[Model, Row]", newest: Row, at: datetime) -> tuple[int, int]:
    """Return the keys of a row that was created before ``at``, and of a later row. They are close together.

    If there is no earlier row, the first is 0; if there is no later one, both are that of the newest row.
    """
    if newest[1] < at:
        return newest[0], newest[0]
    # The first row with a key from ``end`` on is ``later``.
    earlier, later, end = 0, newest[0], newest[0]
    # Most times are recent ones, so that the first steps grow from the newest row backwards.
    probed = list(_growing(end))
    while end - earlier > _FEW_KEYS:
        found = _first_rows(rows, probed)
        for key in probed:
            row = next(row for row in found if row[0] >= key)
            if row[1] < at:
                earlier = row[0]
                break
            later, end = row[0], key
        step = max(1, -(-(end - earlier) // (_AT_ONCE + 1)))
        probed = list(range(end - step, earlier, -step))
    return earlier, later


def _growing(newest: int) -> Iterator[int]:
    """Return keys at doubled distances from the newest one, the largest first."""
    distance = _FEW_KEYS
    while distance < newest:
        yield newest - distance
        distance *= 2


def _first_rows(rows: "QuerySet[Model, Row]", keys: list[int]) -> list[Row]:
    """Return the first row from each of the keys on, the oldest first, with one statement."""
    first = [Subquery(rows.filter(pk__gte=key).order_by("pk").values("pk")[:1]) for key in keys]
    return sorted(rows.filter(pk__in=first).order_by())
