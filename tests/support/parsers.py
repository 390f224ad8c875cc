"""Adapters that do not understand every notification."""

from checkout.errors import NotificationFormatNotSupported
from checkout.providers.base import Notification
from checkout.providers.memory import MemoryProvider


class ParserWithDefect(MemoryProvider):
    """Its author did not think of everything."""

    def parse_notification(self, body: bytes) -> list[Notification]:
        raise ZeroDivisionError(body)


class ParserOfOtherProduct(MemoryProvider):
    """Knows a product of its provider that it does not speak."""

    def parse_notification(self, body: bytes) -> list[Notification]:
        raise NotificationFormatNotSupported("This is a form: the account is set up for another product.")
