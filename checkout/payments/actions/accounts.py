"""Merchants, and the provider account at which a payment is made: the first one of its merchant."""

from contextlib import suppress

from checkout.database.remembered import Remembered
from checkout.errors import AmountNotSupported, NoProviderAccount, ProviderMisconfigured, RequestInvalid
from checkout.money import Money
from checkout.payments.models import Merchant, Payment, ProviderAccount
from checkout.payments.providers.registry import get_provider
from checkout.references import new_reference
from messaging.compiled_queries import Compiled


def merchant_named(code: str) -> Merchant | None:
    """Return the merchant with this code; None if there is none."""
    return _MERCHANT.first(code)


def require_account(merchant: Merchant, amount: Money) -> None:
    """Raise an error if the merchant has no account at which the amount could be paid.

    Raises ``NoProviderAccount`` or, if the account cannot send such an amount, ``RequestInvalid``.
    """
    require_payable(_first_account(merchant.pk), amount)


def require_payable(account: ProviderAccount, amount: Money) -> None:
    """Raise ``RequestInvalid`` if the account cannot send an amount that is to be paid."""
    if fault := amount_error(account, amount):
        raise RequestInvalid("amount", fault)


def amount_error(account: ProviderAccount, amount: Money) -> str:
    """Return the reason for which the account cannot send ``amount``, as a sentence; empty if it can.

    Nothing is returned for a misconfigured account, which the payments service reports.
    """
    try:
        get_provider(account.opened()).require_sendable(amount)
    except AmountNotSupported as error:
        return f"{error} This is a limit of the account with the payment provider. Choose another amount."
    except ProviderMisconfigured:
        pass
    return ""


def account_for(payment: Payment) -> ProviderAccount:
    """Return the account at which the payment is made. Raises ``NoProviderAccount``."""
    return _first_account(payment.merchant_id)


def _first_account(merchant: int) -> ProviderAccount:
    account = _ACCOUNTS.first(merchant)
    if account is None:
        raise NoProviderAccount
    return account


def capture_reference(payment: Payment, account: ProviderAccount) -> str:
    """Return our reference for the included capture of an authorisation; empty if there is none.

    A misconfigured account has none. The payments service reports its configuration error.
    """
    if payment.captures_automatically:
        with suppress(ProviderMisconfigured):
            if get_provider(account.opened()).captures_with_authorisation:
                return new_reference("op")
    return ""


_MERCHANT = Remembered(Compiled(lambda code: Merchant.objects.filter(code=code)))
_ACCOUNTS = Remembered(
    Compiled(
        lambda merchant: (
            ProviderAccount.objects.select_related("merchant").filter(merchant_id=merchant).order_by("pk")
        )
    )
)
