"""Fixtures of the whole application."""

from tests.web.conftest import back_end, books, checkout, client, payment, shop

__all__ = ["back_end", "books", "checkout", "client", "payment", "shop"]
