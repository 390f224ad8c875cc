"""The public object of a payment link."""

from datetime import datetime
from typing import Literal

import msgspec
from django.urls import reverse

from checkout.conf import conf
from checkout.payments.models.link import PaymentLink


class PaymentLinkObject(msgspec.Struct, frozen=True, kw_only=True):
    """A link for shoppers. ``payments`` is the number of payments that it has made.

    A reusable link with the maximum number of payments is ``used_up``.
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
    payments: int
    expires_at: datetime | None
    created_at: datetime


def link_object(link: PaymentLink) -> PaymentLinkObject:
    """Return the public object of a link. Its merchant must have been read."""
    return PaymentLinkObject(
        id=link.reference,
        url=f"{conf.public_url}{reverse('checkout:payment_link', args=[link.token])}",
        state=link.state,  # type: ignore[arg-type]  # one of the four
        merchant=link.merchant.code,
        order_reference=link.order_reference,
        amount=link.amount_minor,
        currency=link.currency,
        description=link.description,
        return_url=link.return_url,
        metadata=link.metadata,
        reusable=link.is_reusable,
        payments=link.openings,
        expires_at=link.expires_at,
        created_at=link.created_at,
    )
