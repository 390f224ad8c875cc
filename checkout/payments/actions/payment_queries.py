"""Read the payments, attempts, operations and events of one merchant. Those of other merchants are not found.

Lists are newest first. A cursor is opaque to its reader (``checkout.privacy.cursors``) and stays valid: the
pages after it do not contain rows that were added later.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Concat, Upper

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
from checkout.payments.objects.operation import KINDS, STATES, OperationKind, OperationState
from checkout.payments.objects.payment import STATUSES
from checkout.privacy.cursors import open_numbers, seal_numbers

MOST_ROWS = 100
# The most rows that are looked at for one page, if no index serves its filters.
MOST_LOOKED_AT = 2_000
NO_CURSOR = "This is not a valid cursor of this list. Begin again without a cursor."

T = TypeVar("T")
M = TypeVar("M", bound=Model)
# Sets of values of columns. A row matches if it has all values of one set.
Among = Sequence[Mapping[str, str]]
NO_CONDITION = Q()


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
    states: Collection[str] = (),
    order_reference: str = "",
    customer_reference: str = "",
    customer_email: str = "",
    metadata: tuple[str, str] | None = None,
    currency: str = "",
    amount_from: int | None = None,
    amount_to: int | None = None,
    text: str = "",
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> Page[PaymentObject]:
    """Return payments that match all filters that are given. ``created_to`` itself is not included.

    ``states`` are public states. ``metadata`` is a name with its value. Amounts are in minor units, and
    ``amount_to`` is included. ``text`` is a part of the order's number or of the customer's e-mail address.
    E-mail addresses and texts are compared without regard to case. Raises ``RequestInvalid``, which names the
    filter.
    """
    rows = Payment.objects.filter(merchant=merchant).select_related("merchant")
    # An index has the rows of the first of these filters in the order of the list. PostgreSQL must not use an
    # index for the other conditions, because it would read all rows that this index has for them.
    rows = rows.alias(any_amount=F("amount_minor") + 0, any_state=Concat("state", Value("")))
    where = _of_amounts("any_amount", currency, amount_from, amount_to)
    among: Among | None = None
    if states:
        if unknown := sorted(set(states) - set(PaymentStatus)):
            raise RequestInvalid("state", f"There is no state {unknown[0]}.")
        among = [{"state": ours} for ours, public in STATUSES.items() if public in states]
    has_indexes_of_parts = connection.vendor == "postgresql"
    led = False
    if text:
        part = _text("text", text)
        with_part = Q(order_reference__icontains=part) | Q(shopper_email__icontains=part)
        if has_indexes_of_parts:
            rows, led = rows.filter(with_part), True
        else:
            where &= with_part
    if order_reference:
        rows, led = rows.filter(order_reference=_text("order_reference", order_reference)), True
    if customer_reference:
        rows, led = rows.filter(customer_reference=_text("customer_reference", customer_reference)), True
    if customer_email:
        email = Value(_text("customer_email", customer_email))
        rows, led = rows.alias(email=Upper("shopper_email")).filter(email=Upper(email)), True
    if metadata:
        _text("metadata", "".join(metadata))
        name, value = metadata
        if has_indexes_of_parts:
            rows, led = rows.filter(metadata__contains={name: value}), True
        else:
            rows = rows.alias(named=KeyTransform(name, "metadata"))
            where &= Q(named=value)
    if not led and amount_from is not None and amount_from == amount_to:
        rows, led = rows.filter(amount_minor=amount_from), True
        where = _of_amounts("any_amount", currency, None, None)
    if led and among:
        where &= Q(any_state__in=[each["state"] for each in among])
        among = None
    created = Created(created_from, created_to)
    return page_of(
        merchant.code, rows, limit, cursor, payment_objects, among=among, where=where, created=created
    )


def _of_amounts(amount: str, currency: str, amount_from: int | None, amount_to: int | None) -> Q:
    """Return the condition for a currency and for the column ``amount``."""
    where = Q()
    if currency:
        where &= Q(currency=currency)
    if amount_from is not None:
        where &= Q(**{f"{amount}__gte": amount_from})
    if amount_to is not None:
        where &= Q(**{f"{amount}__lte": amount_to})
    return where


def read_payment(merchant: Merchant, reference: str) -> PaymentObject:
    """Return a payment. Raises ``PaymentNotFound``."""
    return _payment(merchant, reference=reference)


def read_payment_of_order(merchant: Merchant, order_reference: str) -> PaymentObject:
    """Return the payment of an order of the merchant. Raises ``PaymentNotFound``."""
    return _payment(merchant, order_reference=order_reference)


def list_operations(merchant: Merchant, reference: str) -> list[OperationObject]:
    """Return all operations of a payment, oldest first. Raises ``PaymentNotFound``."""
    payment = find_payment(merchant, reference=reference)
    rows = payment.operations.select_related("attempt").order_by("pk")
    return [operation_object(each, payment) for each in rows]


def list_all_operations(
    merchant: Merchant,
    *,
    limit: int = 20,
    cursor: str = "",
    kinds: Collection[str] = (),
    states: Collection[str] = (),
    currency: str = "",
    amount_from: int | None = None,
    amount_to: int | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> Page[OperationObject]:
    """Return operations of all payments that match all filters that are given.

    ``kinds`` and ``states`` are public. ``created_to`` itself is not included. Raises ``RequestInvalid``,
    which names the filter.
    """
    rows = Operation.objects.filter(merchant=merchant).select_related("payment", "attempt")
    among: Among | None = None
    if kinds or states:
        for field, wanted, known in (("kind", kinds, OperationKind), ("state", states, OperationState)):
            if unknown := sorted(set(wanted) - set(known)):
                raise RequestInvalid(field, f"There is no {field} {unknown[0]}.")
        among = [
            {"kind": kind, "state": state}
            for kind, public_kind in KINDS.items()
            for state, public_state in STATES.items()
            if (not kinds or public_kind in kinds) and (not states or public_state in states)
        ]
    return page_of(
        merchant.code,
        rows,
        limit,
        cursor,
        lambda page: list(map(operation_object, page)),
        among=among,
        where=_of_amounts("amount_minor", currency, amount_from, amount_to),
        created=Created(created_from, created_to),
    )


def list_attempts(
    merchant: Merchant, reference: str, *, limit: int = 20, cursor: str = ""
) -> Page[AttemptObject]:
    """Return the attempts at a payment. Raises ``PaymentNotFound`` and ``RequestInvalid``."""
    payment = find_payment(merchant, reference=reference)
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
    among: Among | None = [{"type": each} for each in sorted(set(types))] if types else None
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
    return payment_object(find_payment(merchant, **wanted))


def find_payment(merchant: Merchant, **wanted: str) -> Payment:
    """Return a payment of the merchant, which is not locked. Raises ``PaymentNotFound``."""
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
    where: Q = NO_CONDITION,
    created: Created = ALWAYS,
) -> Page[T]:
    """Return a page of rows, as their objects. Raises ``RequestInvalid`` for ``limit`` and ``cursor``.

    ``owner`` is the code of the merchant to whom the rows belong. The cursors are valid for this merchant
    only. If ``among`` is given, a row must match one of its sets of values. ``rows``, filtered by any of
    them, has an index in the order of keys. ``where`` is a condition without an index: it is checked for the
    next ``MOST_LOOKED_AT`` rows only, so that a page takes the same time however few rows match. In this
    case, or if rows change in the meantime, a page may have fewer rows than ``limit`` although more pages
    follow.

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
    page, last = _next_rows(rows, limit, among, where)
    if last is None:
        return Page(objects(page), "")
    numbers = [last, floor, digest] if digest else [last]
    return Page(objects(page), seal_numbers(numbers, owner, name))


def _next_rows(
    rows: "QuerySet[M]", limit: int, among: "Among | None", where: Q
) -> tuple[Sequence[M], int | None]:
    """Return the rows of a page, and the key after which the next page begins, or None if there is none."""
    if among is None and not where:
        found = list(rows.order_by("-pk")[: limit + 1])
        return found[:limit], found[limit - 1].pk if len(found) > limit else None
    most = MOST_LOOKED_AT if where else limit
    keys = _newest_keys(rows, among or [{}], most + 1)
    matching = rows.filter(where, pk__in=keys[:most]).order_by("-pk")
    found = list(matching[: limit + 1] if where else matching)
    # A row may have changed since its key was read, so its values are checked here. In the query, they could
    # make PostgreSQL read all rows with these values. The next page begins after all the keys.
    page = [row for row in found[:limit] if among is None or _is_among(row, among)]
    if len(found) > limit:
        return page, found[limit - 1].pk
    return page, keys[most - 1] if len(keys) > most else None


def _is_among(row: Model, among: "Among") -> bool:
    return any(all(getattr(row, column) == value for column, value in each.items()) for each in among)


def _numbers_in(cursor: str, owner: str, rows: str) -> Sequence[int]:
    try:
        return open_numbers(cursor, owner, rows)
    except ValueError:
        raise RequestInvalid("cursor", NO_CURSOR) from None


def _within(rows: "QuerySet[M]", created: Created, floor: int, ceiling: int | None) -> "QuerySet[M]":
    """Return the rows of a period, with keys after ``floor`` and, unless it is None, up to ``ceiling``."""
    if created.since is not None:
        rows = rows.filter(created_at__gte=created.since, pk__gt=floor)
    if created.until is not None:
        rows = rows.filter(created_at__lt=created.until)
    return rows if ceiling is None else rows.filter(pk__lte=ceiling)


def _newest_keys(rows: "QuerySet[M]", among: "Among", most: int) -> Sequence[int]:
    """Return the newest keys of rows with one of the sets of values in ``among``, by a query for each set.

    An index has the rows of each set in order. For several sets in one query, PostgreSQL may read the whole
    history instead.
    """
    # A row that changes its value between two queries may be in both results.
    keys: set[int] = set()
    for values in among:
        newest = rows.filter(**values).order_by("-pk")
        keys.update(newest.values_list("pk", flat=True)[:most])
    return sorted(keys, reverse=True)[:most]


def _text(field: str, value: str) -> str:
    if not _is_text(value):
        raise RequestInvalid(field, "This contains characters that are not allowed.")
    return value


def _is_text(value: Any) -> bool:
    """Return True for a string that may be part of a query. PostgreSQL refuses NUL."""
    return isinstance(value, str) and "\0" not in value
