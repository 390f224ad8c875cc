"""Payment providers: their addresses, and our credentials."""

from collections.abc import Mapping, Sequence

from django.conf import settings

from checkout.errors import ProviderMisconfigured
from messaging.setting import Setting, text, texts

# The hosts of Worldpay, and those of Cardinal Commerce, to which browsers send device data and where
# challenges start. Both have a live and a test environment.
WORLDPAY_HOSTS = (
    "secure.worldpay.com",
    "secure-test.worldpay.com",
    "payments.worldpay.com",
    "centinelapi.cardinalcommerce.com",
    "centinelapistag.cardinalcommerce.com",
)


class Providers:
    """Payment providers."""

    provider_hosts = texts(
        "CHECKOUT_PROVIDER_HOSTS",
        ",".join(WORLDPAY_HOSTS),
        "The hosts of providers, as name or name:port; the addresses of a provider account must be on them.",
    )
    provider_networks = texts(
        "CHECKOUT_PROVIDER_NETWORKS",
        "",
        "Networks, in addition to the public internet, in which the providers' hosts may be.",
    )
    provider_ca_file = text(
        "CHECKOUT_PROVIDER_CA_FILE",
        "",
        "A PEM file of the authorities that are trusted to certify providers. If it is empty, the public "
        "authorities are trusted.",
    )
    provider_timeouts: Setting[Mapping[str, float]] = Setting(
        "CHECKOUT_PROVIDER_TIMEOUTS",
        {},
        "Time-outs of calls to a provider in seconds, where they differ from the built-in ones: read "
        "time-outs by verb, and the time-out for connecting as connect.",
        type=dict[str, float],
    )

    @property
    def provider_accounts(self) -> Sequence[str]:
        """The codes of all provider accounts that have credentials."""
        return sorted(settings.CHECKOUT_PROVIDER_CREDENTIALS)

    def provider_credentials(self, account: str) -> Mapping[str, str]:
        """Return the secrets of a provider account. Raises ``ProviderMisconfigured`` if it has none."""
        try:
            credentials: Mapping[str, str] = settings.CHECKOUT_PROVIDER_CREDENTIALS[account]
        except KeyError:
            raise ProviderMisconfigured(
                f"CHECKOUT_PROVIDER_CREDENTIALS has no entry for the account {account!r}."
            ) from None
        return credentials
