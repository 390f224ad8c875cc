"""Order codes, the names of attempts at a provider: the payment's reference and the attempt's number."""


def order_code_of(payment: str, number: int) -> str:
    """Return the code of an attempt at a payment, which is unique and short enough for every provider.

    With 3DS Flex, Worldpay allows fewer than 50 characters.
    """
    return f"{payment}-{number}"


def payment_in(order_code: str) -> str:
    """Return the reference of the payment in an order code; "" if the code cannot be one of ours."""
    return order_code.rpartition("-")[0]
