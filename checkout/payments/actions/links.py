"""Payment links: create, find, disable, and open them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from checkout.errors import DuplicateRequest, PaymentLinkClosed, PaymentLinkNotFound, RequestInvalid
from checkout.money import Money
from checkout.payments.actions.creation import (
    LONGEST_LIFE,
    checked_fields,
    created_or_known,
    first_difference,
    may_return_to,
    payment_of,
    require_future,
)
from checkout.payments.models import Merchant, Payment, PaymentLink
from checkout.states import Actor, PaymentState

# A day less than the longest life of a payment, as the clocks of two processes may differ.
LONGEST_OF_ONE_PAYMENT = LONGEST_LIFE - timedelta(days=1)
# With the number of an opening, it has to fit where orders' numbers do.
LONGEST_OF_REUSABLE = 90
# One use of a reusable link passes over so many order numbers that have a payment already.
MOST_NUMBERS_AT_ONCE = 100


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
    """Create a link. The fields are those of ``create_payment``. Raises ``RequestInvalid``.

    A reusable link is the only one of its merchant with its ``order_reference``, even once it is disabled:
    otherwise both links would number their orders alike. A link for one payment always has an end, if need
    be in a year, which is also that of its payment: without one, the payment would soon count as abandoned.
    """
    if not reusable and expires_at is None:
        expires_at = timezone.now() + LONGEST_OF_ONE_PAYMENT
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
    link = PaymentLink(merchant=merchant, is_reusable=reusable, **{name: fields[name] for name in ours})
    try:
        with transaction.atomic():
            link.save(force_insert=True)
    except IntegrityError:
        if not reusable:
            raise
        text = "You have a reusable link with this order reference, which numbers its orders. Choose another."
        raise RequestInvalid("order_reference", text) from None
    return link


def links_of(merchant: Merchant) -> QuerySet[PaymentLink]:
    """Return the merchant's links, the newest first."""
    return PaymentLink.objects.filter(merchant=merchant).select_related("merchant")


def link_of(merchant: Merchant, reference: str) -> PaymentLink:
    """Return the merchant's link. Raises ``PaymentLinkNotFound``."""
    return _found(links_of(merchant).filter(reference=reference))


def own_links(payment: Payment) -> QuerySet[PaymentLink]:
    """Return the links for the payment's order alone. A reusable link is no single shopper's."""
    links = PaymentLink.objects.filter(merchant=payment.merchant_id, order_reference=payment.order_reference)
    return links.filter(is_reusable=False)


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


def link_and_state(token: str) -> tuple[PaymentLink, PaymentState]:
    """Return a link and the state of the payment to which it has led; ``open`` if there is none, or many.

    Raises the errors of ``open_for_shopper``.
    """
    link = open_for_shopper(token)
    known = None if link.is_reusable or not link.openings else payment_of(link.merchant, link.order_reference)
    return link, PaymentState.OPEN if known is None else PaymentState(known.state)


def payment_by_link(token: str) -> Payment:
    """Return the payment of a link: a new one if the link is reusable, else the same each time.

    That one is returned as it is, whatever has changed since. A payment is made without the ``return_url`` if
    the merchant has not registered its origin any more.

    Raises ``PaymentLinkNotFound``, ``PaymentLinkClosed``, and ``DuplicateRequest`` if the order has another
    payment already. A reusable link never returns a payment that it has not made just now: it passes over the
    numbers of orders that have one, and raises ``DuplicateRequest`` if these are too many for one request.
    The next request then continues behind them.
    """
    with transaction.atomic():
        rows = PaymentLink.objects.select_related("merchant").select_for_update(of=("self",))
        link = _require_open(_found(rows.filter(token=token)))
        if link.is_reusable:
            payment = _new_payment(link)
        else:
            payment = _own_payment(link)
            link.openings = 1
        link.save(update_fields=["openings", "last_number"])
    if payment is None:
        raise DuplicateRequest("The next order numbers of this link have payments already.")
    return payment


def hindrance(link: PaymentLink) -> str:
    """Return what hinders a link that is not closed, for staff; empty if nothing does."""
    if link.state != "active" or (link.openings and not link.is_reusable):
        return ""
    try:
        wanted = _wanted(link)
    except RequestInvalid as error:
        return f"Nothing can be paid with it: {error}"
    if not link.is_reusable:
        known = payment_of(link.merchant, link.order_reference)
        if known is not None and (field := first_difference(known, wanted)):
            return (
                f"Nothing can be paid with it: its order has a payment that the link has not made, "
                f"with another {field.replace('_', ' ')}."
            )
    if not may_return_to(link.merchant, link.return_url):
        return (
            "Its payments do not lead back to the shop: the merchant has not registered the origin of the "
            "return URL any more."
        )
    return ""


def _own_payment(link: PaymentLink) -> Payment:
    """Return the payment of a link that is not reusable, making it at the first use."""
    if link.openings and (known := payment_of(link.merchant, link.order_reference)) is not None:
        return known
    return _created_or_known(link, _wanted(link))[0]


def _created_or_known(link: PaymentLink, wanted: Mapping[str, Any]) -> tuple[Payment, bool]:
    made_with = {"payment_link": link.reference}
    return created_or_known(link.merchant, wanted, by=Actor.SHOPPER, made_with=made_with)


def _wanted(link: PaymentLink) -> dict[str, Any]:
    return checked_fields(link.merchant, order_reference=link.order_reference, **_fields(link))


def _new_payment(link: PaymentLink) -> Payment | None:
    """Return a payment that did not exist before, and count it; None if all numbers tried have payments."""
    for _ in range(MOST_NUMBERS_AT_ONCE):
        link.last_number += 1
        order = f"{link.order_reference}-{link.last_number}"
        wanted = checked_fields(link.merchant, order_reference=order, **_fields(link))
        with suppress(DuplicateRequest):
            payment, is_new = _created_or_known(link, wanted)
            if is_new:
                link.openings += 1
                return payment
    return None


def _fields(link: PaymentLink) -> dict[str, Any]:
    """Return the fields that each payment of the link has."""
    return {
        "amount": link.amount,
        "description": link.description,
        "return_url": link.return_url if may_return_to(link.merchant, link.return_url) else "",
        "metadata": link.metadata,
        "expires_at": link.expires_at,
    }


def _found(rows: QuerySet[PaymentLink]) -> PaymentLink:
    link = rows.first()
    if link is None:
        raise PaymentLinkNotFound("There is no such payment link.")
    return link


def _require_open(link: PaymentLink) -> PaymentLink:
    if link.state != "active":
        raise PaymentLinkClosed("The payment link cannot be used any more.")
    return link
