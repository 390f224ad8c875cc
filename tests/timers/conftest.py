"""Fixtures: a payment whose provider is the in-memory twin, as for the services."""

from tests.services.conftest import _credentials, account, attempt, books

__all__ = ["_credentials", "account", "attempt", "books"]
