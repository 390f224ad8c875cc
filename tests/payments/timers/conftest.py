"""Fixtures: a payment at the in-memory provider, as for the services."""

from tests.payments.service.conftest import _credentials, account, attempt, books

__all__ = ["_credentials", "account", "attempt", "books"]
