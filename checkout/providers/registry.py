"""Which adapter speaks to which provider. A new provider is one package and one line here."""

from collections.abc import Callable
from typing import cast

from django.utils.module_loading import import_string

from checkout.errors import ProviderMisconfigured
from checkout.providers.base import Account, Provider

ADAPTERS = {
    "memory": "checkout.providers.memory.MemoryProvider",
    "worldpay_wpg": "checkout.providers.worldpay_wpg.provider.WorldpayWpg",
}


def get_provider(account: Account) -> Provider:
    """Return the adapter for ``account``; raises ``ProviderMisconfigured`` if there is none."""
    try:
        adapter = cast("Callable[[Account], Provider]", import_string(ADAPTERS[account.provider]))
    except KeyError:
        raise ProviderMisconfigured(
            f"Account {account.code!r} names the unknown provider {account.provider!r}; "
            f"known: {', '.join(sorted(ADAPTERS))}."
        ) from None
    return adapter(account)
