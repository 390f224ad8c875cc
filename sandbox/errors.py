"""Refusals of a merchant's message."""

NOT_FOUND = "Could not find payment for order"
NOT_READY = "Order not ready"


class RequestRefused(Exception):
    """An error element with a code of the provider's grammar; see the comment on `error` in its DTD."""

    def __init__(self, code: int, message: str, order_code: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.order_code = order_code
