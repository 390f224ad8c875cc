"""The public object of a payment link."""

from datetime import datetime
from typing import Literal

import msgspec
from django.urls import reverse

from checkout.conf import conf
from checkout.payments.models.link import PaymentLink


class PaymentLinkObject(msgspec.Struct, frozen=True, kw_only=True):
    """A link for shoppers. ``payments`` is the number of payments that it has made.

    A reusable link with the maximum number of payments is ``used_up``. ``min_amount`` and ``max_amount`` are
    null unless shoppers choose the amount. ``qr_code_url`` leads to a QR code of ``url`` as SVG.
    """

    id: str
    object: Literal["payment_link"] = "payment_link"
    url: str
    state: Literal["active", "disabled", "expired", "used_up"]
    merchant: str
    order_reference: str
    amount: int
    currency: str
    description: str
    return_url: str
    metadata: dict[str, str]
    reusable: bool
    max_quantity: int
    min_amount: int | None
    max_amount: int | None
    asks_email: bool
    qr_code_url: str
    payments: int
    expires_at: datetime | None
    created_at: datetime


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
