"""A payment whose provider is the twin without a network, as for the services."""

from tests.services.conftest import _credentials, account, attempt, books

__all__ = ["_credentials", "account", "attempt", "books"]
