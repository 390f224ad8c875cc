"""The public object of a receipt."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from checkout.described import TIME, PaymentId, told
from checkout.receipts.models import Receipt


class ReceiptObject(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt that a shopper gets by e-mail."""

    object: Annotated[Literal["receipt"], told("The kind of object.", "receipt")] = "receipt"
    payment: PaymentId
    state: Annotated[
        Literal["owed", "sent", "not_sent"],
        told(
            "`owed`: the e-mail is sent soon, or tried again. `not_sent`: it was given up, as no mail server "
            "took it.",
            "owed",
        ),
    ]
    resendings: Annotated[int, told("How often it was sent again on request.", 1)]
    sent_at: Annotated[
        datetime | None, told("The time at which the e-mail was sent last; null if it was not.", TIME)
    ]


def receipt_object(receipt: Receipt) -> ReceiptObject:
    """Return the object of a receipt."""
    return ReceiptObject(
        payment=receipt.payment_reference,
        state="owed" if receipt.next_try_at else "sent" if receipt.sent_at else "not_sent",
        resendings=receipt.resendings,
        sent_at=receipt.sent_at,
    )
