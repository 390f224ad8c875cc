"""Provider adapters that cannot parse notifications."""

from checkout.errors import NotificationFormatNotSupported
from checkout.payments.providers.base import Notification
from tests.support.memory_provider.provider import MemoryProvider


class ParserWithDefect(MemoryProvider):
    """An adapter with a bug: parsing a notification raises an unexpected exception."""

    def parse_notification(self, body: bytes) -> list[Notification]:
        raise ZeroDivisionError(body)


class ParserOfOtherProduct(MemoryProvider):
    """An adapter that recognises notifications of another product of its provider, but cannot parse them."""

    def parse_notification(self, body: bytes) -> list[Notification]:
        raise NotificationFormatNotSupported("This is a form: the account is set up for another product.")
