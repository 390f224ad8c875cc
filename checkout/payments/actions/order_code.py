"""The name of an attempt at its provider: the payment's reference, and the number of the attempt."""


def order_code_of(payment: str, number: int) -> str:
    """Return the code of this attempt at a payment: unique, and short enough for every provider.

    Worldpay takes fewer than 50 characters with 3DS Flex.
    """
    return f"{payment}-{number}"


def payment_in(order_code: str) -> str:
    """Return the reference of the payment that a code of ours names; "" if it cannot be one of ours."""
    return order_code.rpartition("-")[0]
