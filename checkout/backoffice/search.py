"""Searches for payments and other rows by exact values."""

from typing import Any, TypeVar

from django.db.models import CharField, ExpressionWrapper, Model, QuerySet
from django.db.models.fields.json import KT

from checkout.payments.models import Attempt, Payment

M = TypeVar("M", bound=Model)


def match_exactly(rows: QuerySet[M], text: str, *columns: str) -> QuerySet[M]:
    """Filter ``rows`` to those with exactly this text in one of the ``columns``. Each row is found once.

    Each column has a query and an index of its own. With one condition joined by "or", a database would read
    all rows.
    """
    wanted = text.strip()
    if not wanted:
        return rows
    first, *others = (rows.model._default_manager.order_by().filter(**{name: wanted}) for name in columns)
    return rows.filter(pk__in=first.values("pk").union(*(each.values("pk") for each in others)))


def search_payments(payments: QuerySet[Payment], text: str) -> QuerySet[Payment]:
    """Filter ``payments`` to those that match every word of ``text``, or whose order number is ``text``.

    A word is an order number, a payment reference, a provider's order code, a card's last four digits or an
    e-mail address. It must match completely, so a search does not find values that only contain it.
    """
    words = text.split()
    if not words:
        return payments
    all_of_them = Payment.objects.order_by()
    for word in words:
        all_of_them = all_of_them.filter(pk__in=_matching(word))
    return payments.filter(pk__in=_by_order_number(text.strip()).union(all_of_them.values("pk")))


def _matching(word: str) -> QuerySet[Any, Any]:
    """Return the payments that match ``word``.

    Each kind of value has a query and an index of its own. With one condition joined by "or", a database
    would read all payments.
    """
    payments = Payment.objects.order_by()
    by_order_number = _by_order_number(word)
    if "@" in word:
        return by_order_number.union(payments.filter(shopper_email__iexact=word).values("pk"))
    # Cast to text, because SQLite would otherwise parse the word as JSON, too.
    last4 = ExpressionWrapper(KT("card__last4"), output_field=CharField())
    attempts = Attempt.objects.order_by().alias(last4=last4)
    return by_order_number.union(
        payments.filter(reference=word).values("pk"),
        attempts.filter(order_code=word).values("payment"),
        attempts.filter(last4=word).values("payment"),
    )


def _by_order_number(text: str) -> QuerySet[Any, Any]:
    return Payment.objects.order_by().filter(order_reference__iexact=text).values("pk")
