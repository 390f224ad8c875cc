"""Conversion between our minor units and Worldpay's. Each amount is sent with the account's exponent."""

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from checkout.errors import AmountNotSupported, ProviderMisconfigured
from checkout.money import CURRENCIES, REPLACED, Money, exponent
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage

# Older orders may be refunded and disputed in currencies that have been replaced since.
KNOWN = CURRENCIES | REPLACED
# The DTD allows no other exponents.
EXPONENTS = frozenset({0, 2, 3})
_VALUE = re.compile(r"[0-9]{1,15}")
_SIGNS = {"credit": 1, "debit": -1}


def read_exponents(option: object) -> Mapping[str, int]:
    """Return the table in an account's option ``exponents``, such as ``HUF=0 IDR=0``.

    Worldpay's own plug-ins and tables disagree about some currencies (docs/providers.md), so each account
    may have its own numbers. Raises ``ProviderMisconfigured``.
    """
    if not isinstance(option, str):
        raise ProviderMisconfigured("The option exponents is a text such as HUF=0 IDR=0.")
    table: dict[str, int] = {}
    for entry in option.split():
        currency, _, digits = entry.partition("=")
        if not re.fullmatch("[A-Z]{3}", currency) or digits not in map(str, EXPONENTS):
            raise ProviderMisconfigured(f"The option exponents has {entry!r}; expected such as HUF=0.")
        if currency in table:
            raise ProviderMisconfigured(f"The option exponents has {currency} twice.")
        table[currency] = int(digits)
    return table


def attributes(money: Money, exponents: Mapping[str, int]) -> dict[str, str]:
    """Return the attributes of an ``amount`` element.

    Raises ``AmountNotSupported`` for an amount with more decimals than this account can send, and for a
    currency whose amounts could not be read in replies.
    """
    if money.currency not in KNOWN and money.currency not in exponents:
        raise AmountNotSupported(f"{money.currency} is not a currency that this account knows.")
    digits = exponents.get(money.currency, exponent(money.currency))
    value, remainder = divmod(money.minor * 10**digits, 10 ** exponent(money.currency))
    if remainder or money.minor < 0:
        raise AmountNotSupported(f"{money} cannot be sent with {digits} decimals.")
    return {"value": str(value), "currencyCode": money.currency, "exponent": str(digits)}


def read_amount(parent: Element | None, path: str, exponents: Mapping[str, int]) -> Money | None:
    """Return the amount at ``path`` in our minor units, without its sign, or None if there is none.

    Each amount comes with its exponent, which must be the currency's own or the account's: any other could
    make a value a hundred times too large. Raises ``UnreadableMessage`` for another exponent, for amounts
    that are not exact in our units, for unknown currencies, and for more than one amount.
    """
    found = _only_one(parent, path)
    return _money(found, exponents) if found is not None else None


def read_signed_amount(parent: Element, exponents: Mapping[str, int]) -> Money | None:
    """Return the amount in ``parent``, negative if it is debited. Raises ``UnreadableMessage``.

    An amount without an indicator is credited, which is the DTD's default.
    """
    found = _only_one(parent, "amount")
    if found is None:
        return None
    sign = _SIGNS.get(found.get("debitCreditIndicator", "credit").strip())
    if sign is None:
        raise UnreadableMessage("an amount is neither credited nor debited")
    money = _money(found, exponents)
    return Money(sign * money.minor, money.currency)


def _only_one(parent: Element | None, path: str) -> Element | None:
    found = parent.findall(path) if parent is not None else []
    if len(found) > 1:
        raise UnreadableMessage("several amounts where there is one")
    return found[0] if found else None


def _money(found: Element, exponents: Mapping[str, int]) -> Money:
    value, currency, digits = (found.get(name, "").strip() for name in ("value", "currencyCode", "exponent"))
    if not _VALUE.fullmatch(value):
        raise UnreadableMessage("an amount is not a number of minor units")
    if currency not in KNOWN and currency not in exponents:
        raise UnreadableMessage("an amount is in a currency that is not known")
    ours = exponent(currency)
    if digits not in {str(ours), str(exponents.get(currency, ours))}:
        raise UnreadableMessage(f"an amount has not the exponent of {currency}")
    minor, remainder = divmod(int(value) * 10**ours, 10 ** int(digits))
    if remainder:
        raise UnreadableMessage(f"{currency} with {digits} decimals does not fit our {ours}")
    return Money(minor, currency)
