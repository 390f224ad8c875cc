"""The manners of an account: what its adapter declares, and what decides a row of the tables."""

from checkout.errors import ProviderMisconfigured
from checkout.payments.models.payment import ProviderAccount
from checkout.payments.providers.registry import get_provider


def refuses_failed_authentication(account: ProviderAccount) -> bool:
    """Return True if the account takes no money when 3-D Secure has failed, although it is authorised.

    An account that has become unusable meanwhile refuses nothing, as nothing could be released there. Staff
    see the payment either way.
    """
    try:
        return get_provider(account.opened()).refuses_failed_authentication
    except ProviderMisconfigured:
        return False
