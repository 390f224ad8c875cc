"""The manners of an account, which its adapter declares: facts that decide rows of the tables."""

from checkout.errors import ProviderMisconfigured
from checkout.payments.models.payment import ProviderAccount
from checkout.payments.providers.registry import get_provider


def refuses_failed_authentication(account: ProviderAccount) -> bool:
    """Return True if the account refuses authorisations without successful 3-D Secure.

    An account that has become unusable meanwhile refuses none, because nothing could be released there. Staff
    see the payment in any case.
    """
    try:
        return get_provider(account.opened()).refuses_failed_authentication
    except ProviderMisconfigured:
        return False
