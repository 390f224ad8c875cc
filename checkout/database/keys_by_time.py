"""Find the primary keys of the rows of a period by binary search, without an index on times.

Keys are nearly in the order of creation. PostgreSQL reads lists in the order of keys. A condition on keys
keeps it from reading the rest of a long history.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Model, QuerySet, Subquery

# Two rows whose keys and times are in opposite orders were created within this time of each other. Causes are
# the different clocks of hosts, and the length of transactions.
_SLACK = timedelta(minutes=10)
_FEW_KEYS = 32
# The number of keys that one statement looks for. Each takes one search in the index of keys.
_AT_ONCE = 32
Row = tuple[int, datetime]


def keys_between(
    model: type[Model], since: datetime | None, until: datetime | None
) -> tuple[int, int | None]:
    """Return the key after which the rows of a period begin, and the highest key that they may have.

    Without ``since`` the first is 0. Without ``until`` the second is None. The search takes about one
    statement for each factor of 32 in the number of rows after the bound.
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
    """Return the key of a row created before ``at`` and that of a later row. The keys are close together.

    If there is no earlier row, the first key is 0. If there is no later row, both are the newest row's key.
    """
    if newest[1] < at:
        return newest[0], newest[0]
    # Invariant: ``later`` is the first row with a key of at least ``end``.
    earlier, later, end = 0, newest[0], newest[0]
    # Most searches are for recent times, so the first steps grow from the newest row backwards.
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
    """Return keys whose distance from the newest key doubles, the most distant first."""
    distance = _FEW_KEYS
    while distance < newest:
        yield newest - distance
        distance *= 2


def _first_rows(rows: "QuerySet[Model, Row]", keys: list[int]) -> list[Row]:
    """Return, for each key, the first row from that key on, in the order of keys, with one statement."""
    first = [Subquery(rows.filter(pk__gte=key).order_by("pk").values("pk")[:1]) for key in keys]
    return sorted(rows.filter(pk__in=first).order_by())
