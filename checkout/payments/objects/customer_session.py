"""The public object of a customer session."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from checkout.described import LATER, PAYMENT, told


class CustomerSessionObject(msgspec.Struct, frozen=True, kw_only=True):
    """A link for one customer to the page of a payment, on which the customer's saved cards can be used."""

    object: Annotated[Literal["customer_session"], told("The kind of object.", "customer_session")] = (
        "customer_session"
    )
    payment: Annotated[str, told("The id of the payment.", PAYMENT)]
    customer_reference: Annotated[str, told("The merchant's own id of the customer.", "customer-7")]
    url: Annotated[
        str,
        told(
            "The address to which you lead the customer's browser, once, in place of `checkout_url`. Give it "
            "to nobody else.",
            f"https://pay.example/checkout/{PAYMENT}/customer/Zk3v7mKx9TzWpL2aB8cDeF:1vQ2aB:kq3v7m/",
        ),
    ]
    expires_at: Annotated[
        datetime, told("The time until which the address must be opened, if it is to show the cards.", LATER)
    ]
