"""The provider account at which a payment is made: the first one of its merchant."""

from contextlib import suppress

from checkout.errors import NoProviderAccount, ProviderMisconfigured
from checkout.payments.models import Merchant, Payment, ProviderAccount
from checkout.payments.models.payment import new_reference
from checkout.payments.providers.registry import get_provider
from messaging.compiled_queries import Compiled


def require_account(merchant: Merchant) -> None:
    """Raise ``NoProviderAccount`` if the merchant has none, so that nobody could pay."""
    _first_account(merchant.pk)


def account_for(payment: Payment) -> ProviderAccount:
    """Return the account at which the payment is made; raises ``NoProviderAccount``."""
    return _first_account(payment.merchant_id)


def _first_account(merchant: int) -> ProviderAccount:
    account = _ACCOUNTS.first(merchant)
    if account is None:
        raise NoProviderAccount
    return account


def capture_reference(payment: Payment, account: ProviderAccount) -> str:
    """Return our name for the capture that the provider makes with the authorisation; empty if it does not.

    An account that is misconfigured includes none. The payments service reports what is wrong with it.
    """
    if payment.captures_automatically:
        with suppress(ProviderMisconfigured):
            if get_provider(account.opened()).captures_with_authorisation:
                return new_reference("op")
    return ""


_ACCOUNTS = Compiled(
    lambda merchant: (
        ProviderAccount.objects.select_related("merchant").filter(merchant_id=merchant).order_by("pk")
    )
)
