"""Find payments by what people have at hand."""

from django.db.models import Q, QuerySet

from checkout.models import Attempt, Payment


def found(payments: QuerySet[Payment], text: str) -> QuerySet[Payment]:
    """Narrow ``payments`` to those that match every word of ``text``, or whose order number is all of it.

    A word is an order number, a payment reference, a provider's order code, a card's last four digits or an
    e-mail address: the whole of it, so that a search for one thing does not find others that contain it.
    """
    words = Q()
    for word in text.split():
        words &= _matches(word)
    return payments.filter(Q(order_reference__iexact=text.strip()) | words) if words else payments


def _matches(word: str) -> Q:
    if "@" in word:
        return Q(shopper_email__iexact=word) | Q(order_reference__iexact=word)
    attempts = Attempt.objects.filter(Q(order_code=word) | Q(card__last4=word))
    # A subquery and not a join: a payment is found once, however many of its attempts match.
    return Q(reference=word) | Q(order_reference__iexact=word) | Q(pk__in=attempts.values("payment"))
