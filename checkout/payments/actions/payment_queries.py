"""Read the payments, attempts, operations and events of one merchant. Those of other merchants are not found.

Lists are newest first. A cursor is opaque to its reader (``checkout.privacy.cursors``) and stays valid: the
pages after it do not contain rows that were added later.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet, Value
from django.db.models.functions import Upper

from checkout.database.keys_by_time import keys_between
from checkout.errors import EventNotFound, OperationNotFound, PaymentNotFound, RequestInvalid
from checkout.payments.events import EVENT_TYPES
from checkout.payments.models import Event, Merchant, Operation, Payment
from checkout.payments.objects import (
    AttemptObject,
    EventObject,
    OperationObject,
    PaymentObject,
    PaymentStatus,
    attempt_object,
    event_object,
    operation_object,
    payment_object,
    payment_objects,
)
from checkout.payments.objects.payment import STATUSES
from checkout.privacy.cursors import open_numbers, seal_numbers

MOST_ROWS = 100
NO_CURSOR = "This is not a valid cursor of this list. Begin again without a cursor."

T = TypeVar("T")
M = TypeVar("M", bound=Model)
# A column, and the values that match.
Among = tuple[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list. ``next_cursor`` leads to the next page, and is empty if there is none."""

    items: Sequence[T]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class Created:
    """The period in which rows were created, from ``since`` on and before ``until``. Both may be None."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def digest(self) -> int:
        """A 64-bit number that identifies the period in cursors; 0 if the period has no bounds."""
        if self == ALWAYS:
            return 0
        bounds = [each.timestamp() if each else None for each in (self.since, self.until)]
        return int.from_bytes(sha256(repr(bounds).encode()).digest()[:8])


ALWAYS = Created()


def list_payments(
    merchant: Merchant,
    *,
    limit: int = 20,
    cursor: str = "",
    state: str = "",
    order_reference: str = "",
    customer_email: str = "",
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> Page[PaymentObject]:
    """Return payments that match all filters that are given. ``created_to`` itself is not included.

    ``state`` is a public state. E-mail addresses are compared without regard to case. Raises
    ``RequestInvalid``, which names the filter.
    """
    rows = Payment.objects.filter(merchant=merchant).select_related("merchant")
    among: Among | None = None
    if state:
        if state not in set(PaymentStatus):
            raise RequestInvalid("state", "There is no such state.")
        among = ("state", [ours for ours, public in STATUSES.items() if public == state])
    if order_reference:
        rows = rows.filter(order_reference=_text("order_reference", order_reference))
    if customer_email:
        email = Value(_text("customer_email", customer_email))
        rows = rows.alias(email=Upper("shopper_email")).filter(email=Upper(email))
    created = Created(created_from, created_to)
    return page_of(merchant.code, rows, limit, cursor, payment_objects, among=among, created=created)


def read_payment(merchant: Merchant, reference: str) -> PaymentObject:
    """Return a payment. Raises ``PaymentNotFound``."""
    return _payment(merchant, reference=reference)


def read_payment_of_order(merchant: Merchant, order_reference: str) -> PaymentObject:
    """Return the payment of an order of the merchant. Raises ``PaymentNotFound``."""
    return _payment(merchant, order_reference=order_reference)


def list_operations(merchant: Merchant, reference: str) -> list[OperationObject]:
    """Return all operations of a payment, oldest first. Raises ``PaymentNotFound``."""
    payment = _row(merchant, reference=reference)
    rows = payment.operations.select_related("attempt").order_by("pk")
    return [operation_object(each, payment) for each in rows]


def list_attempts(
    merchant: Merchant, reference: str, *, limit: int = 20, cursor: str = ""
) -> Page[AttemptObject]:
    """Return the attempts at a payment. Raises ``PaymentNotFound`` and ``RequestInvalid``."""
    payment = _row(merchant, reference=reference)
    rows = payment.attempts.all()
    return page_of(
        merchant.code, rows, limit, cursor, lambda page: [attempt_object(each, payment) for each in page]
    )


def read_operation(merchant: Merchant, reference: str) -> OperationObject:
    """Return an operation. Raises ``OperationNotFound``."""
    rows = Operation.objects.select_related("payment", "attempt").filter(payment__merchant=merchant)
    operation = rows.filter(reference=reference).first() if _is_text(reference) else None
    if operation is None:
        raise OperationNotFound("There is no such operation.")
    return operation_object(operation)


def list_events(
    merchant: Merchant,
    *,
    limit: int = 20,
    cursor: str = "",
    object_id: str = "",
    types: Collection[str] = (),
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    where: Q | None = None,
) -> Page[EventObject]:
    """Return events that match all filters that are given. ``created_to`` itself is not included.

    ``object_id`` is the id of a payment, whose attempts and operations are included, or of an operation.
    ``where`` is a further condition on the rows.
    Raises ``RequestInvalid``, which names the filter.
    """
    unknown = sorted(set(types) - set(EVENT_TYPES))
    if unknown:
        raise RequestInvalid("types", f"There are no events of type {unknown[0]}.")
    among: Among | None = ("type", sorted(set(types))) if types else None
    rows = Event.objects.filter(merchant=merchant).select_related("payment", "merchant")
    if object_id.startswith("pay_"):
        rows = rows.filter(payment__reference=_text("object_id", object_id))
    elif object_id:
        # There is an index for the events of a payment, but none for the events of an operation.
        owner = Operation.objects.filter(reference=_text("object_id", object_id)).values("payment_id")
        rows = rows.filter(payment_id__in=owner, operation=object_id)
    if where is not None:
        rows = rows.filter(where)
    created = Created(created_from, created_to)
    return page_of(
        merchant.code,
        rows,
        limit,
        cursor,
        lambda page: list(map(event_object, page)),
        among=among,
        created=created,
    )


def read_event(merchant: Merchant, reference: str) -> EventObject:
    """Return an event. Raises ``EventNotFound``."""
    rows = Event.objects.filter(merchant=merchant).select_related("payment", "merchant")
    event = rows.filter(reference=reference).first() if _is_text(reference) else None
    if event is None:
        raise EventNotFound("There is no such event.")
    return event_object(event)


def key_of(cursor: str, owner: str, rows: str) -> int:
    """Return the key in a cursor. Raises ``RequestInvalid`` if the text is not a cursor of this list."""
    return _numbers_in(cursor, owner, rows)[0]


def _payment(merchant: Merchant, **wanted: str) -> PaymentObject:
    return payment_object(_row(merchant, **wanted))


def _row(merchant: Merchant, **wanted: str) -> Payment:
    rows = Payment.objects.filter(merchant=merchant).select_related("merchant")
    payment = rows.filter(**wanted).first() if all(map(_is_text, wanted.values())) else None
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    return payment


def page_of(
    owner: str,
    rows: "QuerySet[M]",
    limit: int,
    cursor: str,
    objects: Callable[[Sequence[M]], Sequence[T]],
    *,
    among: "Among | None" = None,
    created: Created = ALWAYS,
) -> Page[T]:
    """Return a page of rows, as their objects. Raises ``RequestInvalid`` for ``limit`` and ``cursor``.

    ``owner`` is the code of the merchant to whom the rows belong. The cursors are valid for this merchant
    only. ``among`` is a column with the values that match. If rows change their value in the meantime, a page
    may have fewer rows than ``limit`` although others follow it.

    If the list is limited to a period, the cursor contains the key at which the period begins, so that the
    key is searched once and not for each page. Its end need not be in the cursor, because later pages have
    smaller keys.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise RequestInvalid("limit", f"This must be 1 to {MOST_ROWS}.")
    name = rows.model._meta.label_lower
    digest, floor = created.digest, 0
    told: Sequence[int] = ()
    if cursor:
        key, *told = _numbers_in(cursor, owner, name)
        rows = rows.filter(pk__lt=key)
    if digest:
        if len(told) == 2 and told[1] == digest:
            floor, ceiling = told[0], None
        else:
            floor, ceiling = keys_between(rows.model, created.since, created.until)
        rows = _within(rows, created, floor, ceiling)
    keys: Sequence[int]
    if among is None:
        found = list(rows.order_by("-pk")[: limit + 1])
        keys, page = [row.pk for row in found], found[:limit]
    else:
        column, values = among
        keys = _newest_keys(rows, column, values, limit + 1)
        found = list(rows.filter(pk__in=keys[:limit]).order_by("-pk"))
        # A row may have changed its value since its key was read. The next page begins after all the keys.
        # The values are not a condition of the query, with which PostgreSQL might read all rows with these
        # values.
        page = [row for row in found if getattr(row, column) in values]
    if len(keys) <= limit:
        return Page(objects(page), "")
    numbers = [keys[limit - 1], floor, digest] if digest else [keys[limit - 1]]
    return Page(objects(page), seal_numbers(numbers, owner, name))


def _numbers_in(cursor: str, owner: str, rows: str) -> Sequence[int]:
    try:
        return open_numbers(cursor, owner, rows)
    except ValueError:
        raise RequestInvalid("cursor", NO_CURSOR) from None


def _within(rows: "QuerySet[M]", created: Created, floor: int, ceiling: int | None) -> "QuerySet[M]":
    """Return the rows of a period, with keys after ``floor`` and up to ``ceiling``, unless that is None."""
    if created.since is not None:
        rows = rows.filter(created_at__gte=created.since, pk__gt=floor)
    if created.until is not None:
        rows = rows.filter(created_at__lt=created.until)
    return rows if ceiling is None else rows.filter(pk__lte=ceiling)


def _newest_keys(rows: "QuerySet[M]", column: str, values: Collection[str], most: int) -> Sequence[int]:
    """Return the keys of the newest rows with one of the values, by a query for each value.

    An index has the rows of each value in order. For several values in one query, PostgreSQL may read the
    whole history instead.
    """
    # A row that changes its value between two queries may be in both results.
    keys: set[int] = set()
    for value in values:
        newest = rows.filter(**{column: value}).order_by("-pk")
        keys.update(newest.values_list("pk", flat=True)[:most])
    return sorted(keys, reverse=True)[:most]


def _text(field: str, value: str) -> str:
    if not _is_text(value):
        raise RequestInvalid(field, "This contains characters that are not allowed.")
    return value


def _is_text(value: Any) -> bool:
    """Return True for a string that may be part of a query. PostgreSQL refuses NUL."""
    return isinstance(value, str) and "\0" not in value
