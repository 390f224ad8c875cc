"""The app that adds the provider to those of the gateway."""

from django.apps import AppConfig


class MemoryProviderConfig(AppConfig):
    """Registers the adapter, as an installation with an adapter of its own would."""

    name = "tests.support.memory_provider"

    def ready(self) -> None:
        from checkout.payments.providers.registry import ADAPTERS

        ADAPTERS["memory"] = "tests.support.memory_provider.provider.MemoryProvider"
