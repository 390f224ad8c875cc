"""The public object of a payment link."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from django.urls import reverse

from checkout.conf import conf
from checkout.described import LATER, LINK, TIME, Amount, Currency, MerchantCode, told
from checkout.payments.models.link import PaymentLink


class PaymentLinkObject(msgspec.Struct, frozen=True, kw_only=True):
    """A link for shoppers, which makes payments."""

    id: Annotated[str, told("The id of the link.", LINK)]
    object: Annotated[Literal["payment_link"], told("The kind of object.", "payment_link")] = "payment_link"
    url: Annotated[str, told("The address to give to shoppers.", "https://pay.example/checkout/link/kq3v7m/")]
    state: Annotated[
        Literal["active", "disabled", "expired", "used_up"],
        told(
            "The state. A reusable link that has made the greatest number of payments is `used_up`.", "active"
        ),
    ]
    merchant: MerchantCode
    order_reference: Annotated[
        str,
        told(
            "The order number of its payments. Those of a reusable link have `-1`, `-2` and so on appended.",
            "INV-7",
        ),
    ]
    amount: Amount
    currency: Currency
    description: Annotated[str, told("What is paid for, as the shopper reads it.", "Invoice 7")]
    return_url: Annotated[
        str,
        told(
            "The address to which the shopper returns afterwards; blank if there is none.",
            "https://shop.example/thanks",
        ),
    ]
    metadata: Annotated[dict[str, str], told("The metadata of the payments.", {"invoice": "7"})]
    reusable: Annotated[bool, told("True if each use makes a payment of its own.", False)]
    max_quantity: Annotated[int, told("How many shoppers may buy at once, each for `amount`.", 1)]
    min_amount: Annotated[
        int | None, told("The least that shoppers may choose to pay; null unless they choose.", None)
    ]
    max_amount: Annotated[
        int | None, told("The most that shoppers may choose to pay; null unless they choose.", None)
    ]
    asks_email: Annotated[bool, told("True if the page asks for an address for the receipt.", False)]
    qr_code_url: Annotated[
        str,
        told(
            "The address of a QR code of `url`, as SVG.",
            "https://pay.example/pay/kq3v7m/qr.svg",
        ),
    ]
    payments: Annotated[int, told("The number of payments that the link has made.", 1)]
    expires_at: Annotated[
        datetime | None,
        told("The time at which the link and its unpaid payments expire; null if they do not.", LATER),
    ]
    created_at: Annotated[datetime, told("The time at which the link was made.", TIME)]


def link_object(link: PaymentLink) -> PaymentLinkObject:
    """Return the public object of a link. Its merchant must have been read."""
    url = f"{conf.public_url}{reverse('checkout:payment_link', args=[link.token])}"
    return PaymentLinkObject(
        id=link.reference,
        url=url,
        state=link.state,  # type: ignore[arg-type]  # one of the four
        merchant=link.merchant.code,
        order_reference=link.order_reference,
        amount=link.amount_minor,
        currency=link.currency,
        description=link.description,
        return_url=link.return_url,
        metadata=link.metadata,
        reusable=link.is_reusable,
        max_quantity=link.max_quantity,
        min_amount=link.least_minor,
        max_amount=link.most_minor,
        asks_email=link.asks_email,
        qr_code_url=f"{url}qr.svg",
        payments=link.openings,
        expires_at=link.expires_at,
        created_at=link.created_at,
    )
