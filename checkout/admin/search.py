"""Find payments by what people have at hand."""

from typing import Any

from django.db.models import CharField, ExpressionWrapper, QuerySet
from django.db.models.fields.json import KT

from checkout.models import Attempt, Payment


def found(payments: QuerySet[Payment], text: str) -> QuerySet[Payment]:
    """Narrow ``payments`` to those that match every word of ``text``, or whose order number is all of it.

    A word is an order number, a payment reference, a provider's order code, a card's last four digits or an
    e-mail address: the whole of it, so that a search for one thing does not find others that contain it.
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

    Each way to name one is a query of its own, and has an index of its own. In one condition, joined by "or",
    a database reads every payment there is.
    """
    named = Payment.objects.order_by()
    by_order_number = _by_order_number(word)
    if "@" in word:
        return by_order_number.union(named.filter(shopper_email__iexact=word).values("pk"))
    # As text: of what comes out of JSON, SQLite would take the word for JSON as well.
    last4 = ExpressionWrapper(KT("card__last4"), output_field=CharField())
    attempts = Attempt.objects.order_by().alias(last4=last4)
    return by_order_number.union(
        named.filter(reference=word).values("pk"),
        attempts.filter(order_code=word).values("payment"),
        attempts.filter(last4=word).values("payment"),
    )


def _by_order_number(text: str) -> QuerySet[Any, Any]:
    return Payment.objects.order_by().filter(order_reference__iexact=text).values("pk")
