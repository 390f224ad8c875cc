"""Searches for payments by details that a caller knows, and for other rows by exact values."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import CharField, ExpressionWrapper, Model, Q, QuerySet
from django.db.models.fields.json import KT
from django.utils import timezone

from checkout.backoffice.display.values import humanised, state_text
from checkout.errors import OperationRejected
from checkout.money import CURRENCIES, REPLACED, exponent
from checkout.payments.models import Attempt, Operation, Payment
from checkout.references import form_of
from checkout.states import PaymentState

M = TypeVar("M", bound=Model)

# Shorter words have no trigram to find by an index, so they are compared with whole values only.
SHORTEST_PART = 3
_SYMBOLS = {"£": {"GBP"}, "€": {"EUR"}, "¥": {"JPY", "CNY"}, "$": {c for c in CURRENCIES if c.endswith("D")}}
_AMOUNT = re.compile(r"([£€¥$]?)((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{1,3})?)")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_LONG_DATE = re.compile(rf"\b(\d{{1,2}}) ({'|'.join(_MONTHS)})[a-z]* (\d{{4}})\b", re.IGNORECASE)
_REFERENCE = re.compile(rf"{form_of('(pay|op)')}\b")
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y")
_COMPARISONS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "": "exact"}


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


@dataclass(slots=True)
class Search:
    """A search for payments: conditions on their columns, queries of their keys, and a description."""

    conditions: Q = field(default_factory=Q)
    keys: list[QuerySet[Any, Any]] = field(default_factory=list)
    looked_for: list[str] = field(default_factory=list)

    def within(self, payments: QuerySet[Payment]) -> QuerySet[Payment]:
        """Filter ``payments`` to those that match every word."""
        found = payments.filter(self.conditions)
        for keys in self.keys:
            found = found.filter(pk__in=keys)
        return found


def search_payments(payments: QuerySet[Payment], text: str) -> QuerySet[Payment]:
    """Filter ``payments`` to those that match every word of ``text``, or whose order number is ``text``.

    Raises ``OperationRejected``.
    """
    words = text.split()
    if not words:
        return payments
    search = search_of(text)
    if len(words) == 1:
        return search.within(payments)
    # The whole text is also compared with order numbers, because these may contain spaces.
    every_word = search.within(Payment.objects.order_by()).values("pk")
    return payments.filter(pk__in=_with_order_number(text.strip()).union(every_word))


def search_of(text: str) -> Search:
    """Return the search that ``text`` describes. Raises ``OperationRejected``."""
    search = Search()
    for word in _LONG_DATE.sub(_in_digits, text).split():
        operator, is_operator, value = word.partition(":")
        if is_operator and (add := _OPERATORS.get(operator.lower())):
            add(search, value)
        elif day := day_in(word):
            _since(search, day)
            _before(search, day + timedelta(days=1))
            search.looked_for.append(f"made on {day:%-d %B %Y}")
        else:
            search.keys.append(_matching(word))
            search.looked_for.append("with " + " or ".join(_kinds(word)))
    return search


def payment_named(payments: QuerySet[Payment], text: str) -> int | None:
    """Return the key of the only payment with this reference, order code or order number.

    Return None if there is none, or if there are several.
    """
    word = text.strip()
    named = Payment.objects.order_by().filter(reference=word).values_list("pk")
    found = named.union(
        Operation.objects.order_by().filter(reference=word).values_list("payment"),
        Attempt.objects.order_by().filter(order_code=word).values_list("payment"),
        Payment.objects.order_by().filter(order_reference__iexact=word).values_list("pk"),
    )
    keys = list(payments.order_by().filter(pk__in=found).values_list("pk", flat=True)[:2])
    return keys[0] if len(keys) == 1 else None


def _in_digits(found: re.Match[str]) -> str:
    day, month, year = found.groups()
    return f"{year}-{_MONTHS.index(month[:3].lower()) + 1:02}-{int(day):02}"


def day_in(word: str) -> date | None:
    """Return the day that a word stands for; None if it is not a date."""
    today = timezone.localdate()
    if word.lower() in ("today", "yesterday"):
        return today if word.lower() == "today" else today - timedelta(days=1)
    for form in _DATES:
        try:
            return datetime.strptime(word, form).date()  # noqa: DTZ007  # the day is what was typed
        except ValueError:
            continue
    return None


def midnight_of(day: date) -> datetime:
    """Return the beginning of a day in the reader's zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def _since(search: Search, day: date) -> None:
    search.conditions &= Q(created_at__gte=midnight_of(day))


def _before(search: Search, day: date) -> None:
    search.conditions &= Q(created_at__lt=midnight_of(day))


def _day_of(value: str) -> date:
    day = day_in(value)
    if day is None:
        raise OperationRejected(
            f"“{value}” is no date. Write it as 2026-11-30, 30/11/2026, today or yesterday."
        )
    return day


def _add_since(search: Search, value: str) -> None:
    day = _day_of(value)
    _since(search, day)
    search.looked_for.append(f"made on {day:%-d %B %Y} or later")


def _add_until(search: Search, value: str) -> None:
    day = _day_of(value)
    _before(search, day + timedelta(days=1))
    search.looked_for.append(f"made on {day:%-d %B %Y} or earlier")


def _add_state(search: Search, value: str) -> None:
    wanted = value.lower().replace("_", " ").replace("-", " ")
    states = [each for each in PaymentState if wanted in (humanised(each), state_text(each))]
    if not states:
        names = ", ".join(state_text(each).replace(" ", "-") for each in PaymentState)
        raise OperationRejected(f"“{value}” is no state. The states are: {names}.")
    search.conditions &= Q(state__in=states)
    search.looked_for.append(f"that are {state_text(states[0])}")


def _add_card(search: Search, value: str) -> None:
    search.keys.append(_with_card(value))
    search.looked_for.append(f"with a card that ends in {value}")


def _add_amount(search: Search, value: str) -> None:
    comparison = next(each for each in _COMPARISONS if value.startswith(each))
    amount = value.removeprefix(comparison)
    if not _AMOUNT.fullmatch(amount):
        raise OperationRejected(f"“{value}” is no amount. Write it as 12.50, £12.50 or >100.")
    search.conditions &= _of_amount(amount, _COMPARISONS[comparison])
    search.looked_for.append(f"of {value}")


_OPERATORS: dict[str, Callable[[Search, str], None]] = {
    "amount": _add_amount,
    "state": _add_state,
    "card": _add_card,
    "since": _add_since,
    "until": _add_until,
}


def _of_amount(text: str, comparison: str) -> Q:
    """Match payments by an amount in major units, in any currency or in those of the amount's sign."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return Q(pk__in=[])
    sign, digits = found.groups()
    major = Decimal(digits.replace(",", ""))
    currencies = _SYMBOLS.get(sign) or CURRENCIES | REPLACED
    by_places: dict[int, list[str]] = {}
    for currency in sorted(currencies):
        by_places.setdefault(exponent(currency), []).append(currency)
    matched = Q(pk__in=[])
    for places, each in by_places.items():
        minor = major.scaleb(places)
        if minor == minor.to_integral_value():
            matched |= Q(**{f"amount_minor__{comparison}": int(minor), "currency__in": each})
    return matched


def _matching(word: str) -> QuerySet[Any, Any]:
    """Return the keys of the payments that match ``word``.

    Each kind of value has a query and an index of its own. With one condition joined by "or", a database
    would read all payments.
    """
    payments = Payment.objects.order_by()
    found = [
        payments.filter(reference=word).values("pk"),
        Attempt.objects.order_by().filter(order_code=word).values("payment"),
        Operation.objects.order_by().filter(reference=word).values("payment"),
    ]
    if _may_be_part(word):
        if "@" not in word:
            found.append(payments.filter(order_reference__icontains=word).values("pk"))
        found.append(payments.filter(shopper_email__istartswith=word).values("pk"))
    if _is_last_four(word):
        found.append(_with_card(word))
    if _is_amount(word):
        found.append(payments.filter(_of_amount(word, "exact")).values("pk"))
    return _with_order_number(word).union(*found)


def _kinds(word: str) -> Iterator[str]:
    """Yield in words the columns that ``_matching`` compares with ``word``."""
    has_parts = _may_be_part(word)
    yield f"an order number that {'contains' if has_parts and '@' not in word else 'is'} “{word}”"
    yield "this reference of a payment, an operation or the provider"
    if has_parts:
        yield "an e-mail address that begins so"
    if _is_last_four(word):
        yield f"a card that ends in {word}"
    if _is_amount(word):
        yield "this amount"


def _may_be_part(word: str) -> bool:
    """Return True if the word may be part of an order number, or the beginning of an e-mail address."""
    return len(word) >= SHORTEST_PART and not _REFERENCE.match(word)


def _is_last_four(word: str) -> bool:
    return len(word) == 4 and word.isdigit()


def _is_amount(word: str) -> bool:
    """Return True if the word has a currency's sign or decimal places. Other numbers are order numbers."""
    return bool(_AMOUNT.fullmatch(word)) and not word.isdigit()


def _with_card(last4: str) -> QuerySet[Any, Any]:
    # Cast to text, because SQLite would otherwise parse the word as JSON.
    as_text = ExpressionWrapper(KT("card__last4"), output_field=CharField())
    return Attempt.objects.order_by().alias(last4=as_text).filter(last4=last4).values("payment")


def _with_order_number(text: str) -> QuerySet[Any, Any]:
    return Payment.objects.order_by().filter(order_reference__iexact=text).values("pk")
