"""Create the payment of an order."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import bidirectional, category
from urllib.parse import unquote_plus, urlsplit

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.db import transaction
from django.utils import timezone

from checkout.errors import DuplicateRequest, RequestInvalid
from checkout.mail.email_addresses import in_ascii
from checkout.money import CURRENCIES, Money
from checkout.orders.messages import OrderLine
from checkout.payments.actions.metadata import checked_metadata, require_no_card_number
from checkout.payments.events import open_payment_once
from checkout.payments.models import Merchant, Payment
from messaging import traces
from messaging.compiled_queries import batch
from messaging.libraries import typed

LONGEST = {
    "order_reference": 100,
    "description": 50,
    "return_url": 500,
    "cancel_url": 500,
    "customer_reference": 64,
}
LARGEST_MINOR = 9_999_999_999
MOST_LINES = 500
MOST_OF_A_LINE = 1_000_000
LONGEST_SKU = 50
# The longest that an e-mail address can be (RFC 5321, section 4.5.3.1).
LONGEST_EMAIL = 254

# Categories of control characters, surrogates, private and unassigned characters, and separators of lines.
_NOT_SHOWN = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
# Classes of characters that change the direction of writing.
_OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

LONGEST_LIFE = timedelta(days=366)
# The form of a language tag (RFC 5646, section 2.1), of at most 35 characters (section 4.4.1).
_IS_LOCALE = re.compile(r"(?=.{1,35}\Z)[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*")

_is_web_address = URLValidator(schemes=["http", "https"])
# Hosts of a development machine, which the validator does not accept.
_LOCAL = ("localhost", "127.0.0.1")


def create_payment(
    merchant: Merchant,
    *,
    order_reference: str,
    amount: Money,
    lines: Sequence[OrderLine | dict[str, Any]] = (),
    description: str,
    shopper_email: str = "",
    return_url: str = "",
    captures_automatically: bool = True,
    metadata: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
    cancel_url: str = "",
    locale: str = "",
    customer_reference: str = "",
) -> Payment:
    """Create the payment of an order, or return the existing one.

    ``order_reference`` has 1 to 100 characters, ``description`` 1 to 50, both without control characters. No
    text contains a card number. ``amount`` is 1 to 9,999,999,999 minor units of a currency of ISO 4217. There
    are at most 500 ``lines``, each with a ``sku`` of 1 to 50 characters and a ``quantity`` of 1 to 1,000,000.
    ``return_url`` and ``cancel_url`` have an origin that the merchant has registered. ``metadata`` is as in
    ``checked_metadata``. After ``expires_at``, which is in the future and at most a year away, the payment
    can no longer be paid. ``locale`` is a language tag (BCP 47). ``customer_reference`` is the merchant's own
    id of its customer, with at most 64 characters. With it, the customer may save the card.

    Raises ``RequestInvalid``, which names the field, for other values. Raises ``DuplicateRequest``, which
    names the first differing field, if the order already has a payment with other values.
    """
    wanted = checked_fields(
        merchant,
        order_reference=order_reference,
        amount=amount,
        lines=lines,
        description=description,
        shopper_email=shopper_email,
        return_url=return_url,
        captures_automatically=captures_automatically,
        metadata=metadata,
        expires_at=expires_at,
        cancel_url=cancel_url,
        locale=locale,
        customer_reference=customer_reference,
    )
    return created_or_known(merchant, wanted)[0]


def created_or_known(
    merchant: Merchant,
    wanted: Mapping[str, Any],
    *,
    made_with: Mapping[str, str] | None = None,
) -> tuple[Payment, bool]:
    """Return the payment with the columns of ``checked_fields``, and True if it was created just now.

    ``made_with`` has the reference of the payment link, or the reference of the saved card and the reason for
    its charge. Raises the errors of ``create_payment``.
    """
    payment = Payment(merchant=merchant, **wanted, made_with=dict(made_with or {}))
    try:
        require_future(payment.expires_at)
    except RequestInvalid:
        # The payment may have been created before ``expires_at`` passed.
        known = payment_of(merchant, wanted["order_reference"])
        if known is None:
            raise
    else:
        # A savepoint would cost two statements, and any error below ends the caller's transaction as well.
        with transaction.atomic(savepoint=False), batch():
            if open_payment_once(payment):
                traces.open_trace_of(payment.reference, "payment")
                return payment, True
        known = payment_of(merchant, wanted["order_reference"])
        assert known is not None  # noqa: S101  it has prevented the insert, and payments are never deleted
    if field := first_difference(known, wanted):
        text = f"This order already has a payment with another {field.replace('_', ' ')}."
        raise DuplicateRequest(text, field=field)
    return known, False


def first_difference(payment: Payment, wanted: Mapping[str, Any]) -> str:
    """Return the first field in which a payment differs from the columns of ``checked_fields``; else ""."""
    differing = (name for name, value in wanted.items() if getattr(payment, name) != value)
    name = next(differing, "")
    return "amount" if name in ("amount_minor", "currency") else name


def payment_of(merchant: Merchant, order_reference: str) -> Payment | None:
    """Return the payment of the merchant's order, or None."""
    return Payment.objects.filter(merchant=merchant, order_reference=order_reference).first()


def checked_fields(
    merchant: Merchant,
    *,
    order_reference: str,
    amount: Money,
    lines: Sequence[OrderLine | dict[str, Any]] = (),
    description: str,
    shopper_email: str = "",
    return_url: str = "",
    captures_automatically: bool = True,
    metadata: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
    cancel_url: str = "",
    locale: str = "",
    customer_reference: str = "",
) -> dict[str, Any]:
    """Return the columns of a payment.

    Raises ``RequestInvalid``, with the errors of all fields, but accepts a time that has passed.
    """
    checks: Mapping[str, Callable[[], object]] = {
        "amount_minor": lambda: _amount(amount).minor,
        "captures_automatically": lambda: _flag("captures_automatically", captures_automatically),
        "lines": lambda: _lines(lines),
        "description": lambda: _shown_text("description", description),
        "shopper_email": lambda: _email(shopper_email),
        "return_url": lambda: _address("return_url", return_url, merchant),
        "cancel_url": lambda: _address("cancel_url", cancel_url, merchant),
        "metadata": lambda: checked_metadata(metadata),
        "expires_at": lambda: _moment("expires_at", expires_at),
        "locale": lambda: _locale(locale),
        "customer_reference": lambda: (
            _text("customer_reference", customer_reference) if customer_reference else ""
        ),
        "order_reference": lambda: _text("order_reference", order_reference),
    }
    columns: dict[str, Any] = {}
    faults: list[RequestInvalid] = []
    for column, checked in checks.items():
        try:
            columns[column] = checked()
        except RequestInvalid as error:
            faults.append(error)
    if faults:
        faults[0].others = faults[1:]
        raise faults[0]
    columns["currency"] = amount.currency
    return columns


def _amount(amount: Money) -> Money:
    if not isinstance(amount, Money):
        raise RequestInvalid("amount", "The amount must be an instance of Money.")
    if not 0 < amount.minor <= LARGEST_MINOR:
        raise RequestInvalid("amount", f"The amount must be 1 to {LARGEST_MINOR:,} minor units.")
    if amount.currency not in CURRENCIES:
        raise RequestInvalid("amount", f"{amount.currency} is not a currency in which shoppers can pay.")
    return amount


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise RequestInvalid(field, "This must be true or false.")
    return value


def _text(field: str, value: object) -> str:
    """Return ``value`` if the column can hold it. PostgreSQL would refuse a NUL, but SQLite would not."""
    text = _of_a_length(field, value)
    if not text.isprintable():
        raise RequestInvalid(field, "This contains invisible characters or line breaks.")
    require_no_card_number(field, text)
    return text


def _shown_text(field: str, value: object) -> str:
    """Return a text for people, which programs do not compare.

    Invisible characters are allowed if languages need them: the joiners of Persian, Hindi and emoji, marks of
    a direction, and other kinds of spaces. Overrides of the direction are refused, because they would change
    the displayed text.
    """
    text = _of_a_length(field, value)
    if not any(each.isprintable() and not each.isspace() for each in text):
        raise RequestInvalid(field, "This contains no visible character.")
    if any(category(each) in _NOT_SHOWN or bidirectional(each) in _OVERRIDES for each in text):
        raise RequestInvalid(field, "This contains control characters or line breaks.")
    require_no_card_number(field, text)
    return text


def _of_a_length(field: str, value: object) -> str:
    most = LONGEST[field]
    if not isinstance(value, str) or not 0 < len(value.strip()) <= len(value) <= most:
        raise RequestInvalid(field, f"This must have 1 to {most} characters.")
    return value


def _email(value: str) -> str:
    if value == "":
        return value
    try:
        validate_email(value)
        in_ascii(value)
    except (ValidationError, ValueError):
        raise RequestInvalid("shopper_email", "This is not an e-mail address.") from None
    if len(value) > LONGEST_EMAIL or not value.isprintable():
        raise RequestInvalid("shopper_email", "This is not an e-mail address.")
    require_no_card_number("shopper_email", value)
    return value


def _address(field: str, value: str, merchant: Merchant) -> str:
    if value == "":
        return value
    text = _text(field, value)
    require_no_card_number(field, unquote_plus(text))
    try:
        parts = urlsplit(text)
        if parts.hostname not in _LOCAL:
            _is_web_address(text)
        origin = f"{parts.scheme}://{parts.netloc}"
    except (ValidationError, ValueError):
        raise RequestInvalid(field, "This is not a web address.") from None
    if origin not in merchant.return_origins:
        raise RequestInvalid(field, "The origin of this address is not registered with the merchant.")
    return text


def may_return_to(merchant: Merchant, address: str) -> bool:
    """Return True if the address is empty, or if its origin is registered with the merchant now."""
    try:
        _address("return_url", address, merchant)
    except RequestInvalid:
        return False
    return True


def _moment(field: str, value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise RequestInvalid(field, "This must be a time with a UTC offset.")
    # Databases store microseconds, and so must this value, because a repeated request is compared with it.
    return value.astimezone(UTC)


def require_future(expires_at: datetime | None) -> None:
    """Raise ``RequestInvalid`` unless the time is None or in the next year."""
    now = timezone.now()
    if expires_at is not None and not now < expires_at <= now + LONGEST_LIFE:
        raise RequestInvalid("expires_at", f"This must be a time in the next {LONGEST_LIFE.days} days.")


def _locale(value: object) -> str:
    if not isinstance(value, str) or (value and not _IS_LOCALE.fullmatch(value)):
        raise RequestInvalid("locale", "This must be a language tag, for example en or de-CH.")
    return value


def _lines(lines: object) -> list[dict[str, Any]]:
    if not isinstance(lines, Sequence) or isinstance(lines, str) or len(lines) > MOST_LINES:
        raise RequestInvalid("lines", f"There may be at most {MOST_LINES} lines, each with sku and quantity.")
    return [_line(f"lines[{number}]", line) for number, line in enumerate(lines)]


def _line(field: str, line: object) -> dict[str, Any]:
    try:
        read = typed.convert(msgspec.to_builtins(line), OrderLine)
    except (msgspec.ValidationError, TypeError) as error:
        raise RequestInvalid(field, f"{error}.") from None
    if not 0 < len(read.sku.strip()) <= len(read.sku) <= LONGEST_SKU or not read.sku.isprintable():
        raise RequestInvalid(f"{field}.sku", f"This must have 1 to {LONGEST_SKU} characters.")
    require_no_card_number(f"{field}.sku", read.sku)
    if not 0 < read.quantity <= MOST_OF_A_LINE:
        raise RequestInvalid(f"{field}.quantity", f"This must be 1 to {MOST_OF_A_LINE:,}.")
    return {"sku": read.sku, "quantity": read.quantity}
