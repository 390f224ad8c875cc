"""Search for payments, and for other rows, by the data that people have at hand."""

from typing import Any, TypeVar

from django.db.models import CharField, ExpressionWrapper, Model, QuerySet
from django.db.models.fields.json import KT

from checkout.payments.models import Attempt, Payment

M = TypeVar("M", bound=Model)


def match_exactly(rows: QuerySet[M], text: str, *columns: str) -> QuerySet[M]:
    """Narrow ``rows`` to those of which one of the ``columns`` has exactly this text.

    Each column has a query and an index of its own. In one condition joined by "or", a database would read
    all rows.
    """
    wanted = text.strip()
    if not wanted:
        return rows
    first, *others = (rows.model._default_manager.order_by().filter(**{name: wanted}) for name in columns)
    return rows.filter(pk__in=first.values("pk").union(*(each.values("pk") for each in others)))


def search_payments(payments: QuerySet[Payment], text: str) -> QuerySet[Payment]:
    """Narrow ``payments`` to those that match every word of ``text``, or have all of it as order number.

    A word is an order number, a payment reference, a provider's order code, a card's last four digits or an
    e-mail address. It must match completely, so that a search does not find values that merely contain it.
    """
    words = text.split()
    if not words:
        return payments
    all_of_them = Payment.objects.order_by()
    for word in words:
        all_of_them = all_of_them.filter(pk__in=_matching(word))
    return payments.filter(pk__in=_by_order_number(text.strip()).union(all_of_them.values("pk")))


def _matching(word: str) -> QuerySet[Any, Any]:
    """Return the payments that ``word`` names.

    Each kind of name has a query and an index of its own. In one condition joined by "or", a database would
    read all payments.
    """
    named = Payment.objects.order_by()
    by_order_number = _by_order_number(word)
    if "@" in word:
        return by_order_number.union(named.filter(shopper_email__iexact=word).values("pk"))
    # Cast to text, because SQLite would otherwise parse the word as JSON, too.
    last4 = ExpressionWrapper(KT("card__last4"), output_field=CharField())
    attempts = Attempt.objects.order_by().alias(last4=last4)
    return by_order_number.union(
        named.filter(reference=word).values("pk"),
        attempts.filter(order_code=word).values("payment"),
        attempts.filter(last4=word).values("payment"),
    )


def _by_order_number(text: str) -> QuerySet[Any, Any]:
    return Payment.objects.order_by().filter(order_reference__iexact=text).values("pk")
