"""Payment providers: where they are, and what we know that proves who we are."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from django.conf import settings

from checkout.errors import ProviderMisconfigured


class Providers:
    """See the module."""

    @cached_property
    def provider_hosts(self) -> Sequence[str]:
        """The hosts of providers, as ``name`` or ``name:port``; no account can have an address elsewhere."""
        return tuple(getattr(settings, "CHECKOUT_PROVIDER_HOSTS", ()))

    @cached_property
    def provider_networks(self) -> Sequence[str]:
        """The networks in which those may be beside the public internet."""
        return tuple(getattr(settings, "CHECKOUT_PROVIDER_NETWORKS", ()))

    @cached_property
    def provider_ca_file(self) -> str:
        """A PEM file of the authorities trusted to certify providers; empty for the public ones."""
        return str(getattr(settings, "CHECKOUT_PROVIDER_CA_FILE", ""))

    @cached_property
    def provider_timeouts(self) -> Mapping[str, float]:
        """Read time-outs in seconds by verb, where they differ from the transport's own; ``connect`` too."""
        timeouts: Mapping[str, float] = getattr(settings, "CHECKOUT_PROVIDER_TIMEOUTS", {})
        return timeouts

    @property
    def provider_accounts(self) -> Sequence[str]:
        """The codes of all provider accounts that have credentials."""
        return sorted(settings.CHECKOUT_PROVIDER_CREDENTIALS)

    def provider_credentials(self, account: str) -> Mapping[str, str]:
        """Return the secrets of a provider account; raises ``ProviderMisconfigured`` if there are none."""
        try:
            credentials: Mapping[str, str] = settings.CHECKOUT_PROVIDER_CREDENTIALS[account]
        except KeyError:
            raise ProviderMisconfigured(
                f"CHECKOUT_PROVIDER_CREDENTIALS has no entry for the account {account!r}."
            ) from None
        return credentials
