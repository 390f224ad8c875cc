"""Our minor units in Worldpay's: the number of decimals is agreed per account and always sent."""

from collections.abc import Mapping

from checkout.errors import ProviderMisconfigured
from checkout.money import Money, exponent


def read_exponents(option: str) -> Mapping[str, int]:
    """Return the table in an account's option ``exponents``, such as ``HUF=0 IDR=0``.

    Worldpay's own plug-ins disagree about HUF and IDR, so that each account may say. Raises
    ``ProviderMisconfigured``.
    """
    table = {}
    for entry in option.split():
        currency, _, digits = entry.partition("=")
        if len(currency) != 3 or not (digits.isdecimal() and int(digits) in {0, 2, 3}):
            raise ProviderMisconfigured(f"The option exponents has {entry!r}; expected such as HUF=0.")
        table[currency] = int(digits)
    return table


def attributes(money: Money, exponents: Mapping[str, int]) -> dict[str, str]:
    """Return the attributes of an ``amount`` element.

    Raises ``ProviderMisconfigured`` for an amount with more decimals than this account can send.
    """
    digits = exponents.get(money.currency, exponent(money.currency))
    value, remainder = divmod(money.minor * 10**digits, 10 ** exponent(money.currency))
    if remainder or money.minor < 0:
        raise ProviderMisconfigured(f"{money} cannot be sent with {digits} decimals.")
    return {"value": str(value), "currencyCode": money.currency, "exponent": str(digits)}
