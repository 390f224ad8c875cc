"""Payment links: create, find, disable, and open them."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from checkout.errors import PaymentLinkClosed, PaymentLinkNotFound, RequestInvalid
from checkout.money import Money
from checkout.payments.actions.creation import checked_fields, create_payment, require_future
from checkout.payments.models import Merchant, Payment, PaymentLink

# Anybody who has a link can open it, so that the number of payments that it makes has an end.
MOST_OPENINGS = 10_000
# With the number of an opening, it has to fit where orders' numbers do.
LONGEST_OF_REUSABLE = 90


def create_link(
    merchant: Merchant,
    *,
    order_reference: str,
    amount: Money,
    description: str,
    reusable: bool = False,
    return_url: str = "",
    metadata: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
) -> PaymentLink:
    """Create a link. The fields are those of ``create_payment``. Raises ``RequestInvalid``."""
    fields = checked_fields(
        merchant,
        order_reference=order_reference,
        amount=amount,
        description=description,
        return_url=return_url,
        metadata=metadata,
        expires_at=expires_at,
    )
    require_future(fields["expires_at"])
    if reusable and len(order_reference) > LONGEST_OF_REUSABLE:
        most = f"That of a reusable link has at most {LONGEST_OF_REUSABLE} characters."
        raise RequestInvalid("order_reference", most)
    ours = (
        "order_reference",
        "amount_minor",
        "currency",
        "description",
        "return_url",
        "metadata",
        "expires_at",
    )
    return PaymentLink.objects.create(
        merchant=merchant, is_reusable=reusable, **{name: fields[name] for name in ours}
    )


def links_of(merchant: Merchant) -> QuerySet[PaymentLink]:
    """Return the merchant's links, the newest first."""
    return PaymentLink.objects.filter(merchant=merchant).select_related("merchant")


def link_of(merchant: Merchant, reference: str) -> PaymentLink:
    """Return the merchant's link. Raises ``PaymentLinkNotFound``."""
    return _found(links_of(merchant).filter(reference=reference))


def disable_link(merchant: Merchant, reference: str) -> PaymentLink:
    """Have a link make no more payments; those that it has made can still be paid."""
    with transaction.atomic():
        link = _found(links_of(merchant).select_for_update(of=("self",)).filter(reference=reference))
        if link.disabled_at is None:
            link.disabled_at = timezone.now()
            link.save(update_fields=["disabled_at"])
    return link


def open_for_shopper(token: str) -> PaymentLink:
    """Return what a link asks for. Raises ``PaymentLinkNotFound`` and ``PaymentLinkClosed``."""
    return _require_open(_found(PaymentLink.objects.select_related("merchant").filter(token=token)))


def payment_by_link(token: str) -> Payment:
    """Return the payment of a link: a new one if the link is reusable, else the same each time.

    Raises ``PaymentLinkNotFound``, ``PaymentLinkClosed``, and ``DuplicateRequest`` if the order has another
    payment already.
    """
    with transaction.atomic():
        rows = PaymentLink.objects.select_related("merchant").select_for_update(of=("self",))
        link = _require_open(_found(rows.filter(token=token)))
        number = link.openings + 1
        payment = create_payment(
            link.merchant,
            order_reference=f"{link.order_reference}-{number}" if link.is_reusable else link.order_reference,
            amount=link.amount,
            description=link.description,
            return_url=link.return_url,
            metadata=link.metadata,
            expires_at=link.expires_at,
        )
        link.openings = number if link.is_reusable else 1
        link.save(update_fields=["openings"])
    return payment


def _found(rows: QuerySet[PaymentLink]) -> PaymentLink:
    link = rows.first()
    if link is None:
        raise PaymentLinkNotFound("There is no such payment link.")
    return link


def _require_open(link: PaymentLink) -> PaymentLink:
    if link.state != "active" or (link.is_reusable and link.openings >= MOST_OPENINGS):
        raise PaymentLinkClosed("The payment link cannot be used any more.")
    return link
