"""Fixtures: a payment whose provider is the in-memory twin, as for the services."""

from tests.payments.service.conftest import _credentials, account, attempt, books

__all__ = ["_credentials", "account", "attempt", "books"]
