"""The adapters, by provider. A new provider is one package and a line or two here."""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from django.utils.module_loading import import_string

from checkout.errors import ProviderMisconfigured
from checkout.payments.providers.base import Account, Provider
from checkout.payments.providers.proof import read_networks

ADAPTERS = {
    "worldpay_wpg": "checkout.payments.providers.worldpay_wpg.provider.WorldpayWpg",
}
AccountCheck = Callable[[str, Mapping[str, object]], Iterator[tuple[str, str]]]
ACCOUNT_CHECKS = {"worldpay_wpg": "checkout.payments.providers.worldpay_wpg.account.account_errors"}


def available() -> list[str]:
    """Return the providers that are available in this installation."""
    return sorted(ADAPTERS)


def account_errors(provider: str, endpoint: str, options: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the faults of an account: the model's field, and a sentence for staff."""
    if provider not in available():
        yield "provider", f"There is no provider {provider}; known: {', '.join(available())}."
    try:
        read_networks(options)
    except ProviderMisconfigured as error:
        yield "options", str(error)
    if provider in ACCOUNT_CHECKS:
        check = cast("AccountCheck", import_string(ACCOUNT_CHECKS[provider]))
        yield from check(endpoint, options)


def get_provider(account: Account) -> Provider:
    """Return the adapter for ``account``. Raises ``ProviderMisconfigured`` if there is none."""
    if account.provider not in available():
        raise ProviderMisconfigured(
            f"Account {account.code!r} names the unknown provider {account.provider!r}; "
            f"known: {', '.join(available())}."
        )
    adapter = cast("Callable[[Account], Provider]", import_string(ADAPTERS[account.provider]))
    return adapter(account)
