"""Payment links: create, find, disable, and open them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from checkout.errors import DuplicateRequest, PaymentLinkClosed, PaymentLinkNotFound, RequestInvalid
from checkout.money import Money
from checkout.payments.actions.creation import (
    LARGEST_MINOR,
    LONGEST,
    LONGEST_LIFE,
    checked_fields,
    created_or_known,
    first_difference,
    may_return_to,
    payment_of,
    require_future,
)
from checkout.payments.models import Merchant, Payment, PaymentLink
from checkout.states import PaymentState

# A day less than the longest life of a payment, because the clocks of two processes may differ.
LONGEST_OF_ONE_PAYMENT = LONGEST_LIFE - timedelta(days=1)
# An order's number is this reference with the number of an opening, and must not be too long.
LONGEST_OF_REUSABLE = 90
TIMES = "\N{MULTIPLICATION SIGN}"
# The most order numbers with an existing payment that one use of a reusable link skips.
MOST_NUMBERS_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The choices that a shopper makes on the page of a link."""

    quantity: int = 1
    amount_minor: int | None = None
    shopper_email: str = ""


AS_IT_IS = Chosen()


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
    max_quantity: int = 1,
    min_amount: int | None = None,
    max_amount: int | None = None,
    asks_email: bool = False,
) -> PaymentLink:
    """Create a link. The fields are those of ``create_payment``. Raises ``RequestInvalid``.

    Shoppers may buy up to ``max_quantity`` at once, each for the amount, or choose an amount from
    ``min_amount`` to ``max_amount`` minor units, which ``amount`` suggests. Both are for reusable links.

    No two reusable links of a merchant have the same ``order_reference``, even if one is disabled, because
    their orders would get the same numbers. A link for one payment always expires, after a year by default,
    and so does its payment. Otherwise the payment would soon count as abandoned.
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
        most = f"With a reusable link, this may have at most {LONGEST_OF_REUSABLE} characters."
        raise RequestInvalid("order_reference", most)
    _require_choice(reusable, amount.minor, max_quantity, min_amount, max_amount)
    ours = (
        "order_reference",
        "amount_minor",
        "currency",
        "description",
        "return_url",
        "metadata",
        "expires_at",
    )
    link = PaymentLink(
        merchant=merchant,
        is_reusable=reusable,
        max_quantity=max_quantity,
        least_minor=1 if min_amount is None and max_amount is not None else min_amount,
        most_minor=max_amount,
        asks_email=asks_email,
        **{name: fields[name] for name in ours},
    )
    try:
        with transaction.atomic():
            link.save(force_insert=True)
    except IntegrityError:
        if not reusable:
            raise
        text = "There is already a reusable link with this order reference. Choose another one."
        raise RequestInvalid("order_reference", text) from None
    return link


def _require_choice(
    reusable: bool, minor: int, max_quantity: int, min_amount: int | None, max_amount: int | None
) -> None:
    """Raise ``RequestInvalid`` if a link cannot offer these choices to shoppers."""
    if max_quantity > 1 and not reusable:
        raise RequestInvalid("max_quantity", "Only a reusable link may have a quantity.")
    if minor * max_quantity > LARGEST_MINOR:
        raise RequestInvalid("max_quantity", "So many would cost more than a payment may.")
    if min_amount is None and max_amount is None:
        return
    if not reusable:
        raise RequestInvalid("max_amount", "Only a reusable link may have an amount that shoppers choose.")
    if max_amount is None:
        raise RequestInvalid("max_amount", "With a least amount, this is required.")
    if max_quantity > 1:
        raise RequestInvalid("max_quantity", "Shoppers choose either the amount or the quantity.")
    if not (min_amount or 1) <= minor <= max_amount:
        raise RequestInvalid("amount", "This must be between the least and the largest amount.")


def links_of(merchant: Merchant) -> QuerySet[PaymentLink]:
    """Return the merchant's links, newest first."""
    return PaymentLink.objects.filter(merchant=merchant).select_related("merchant")


def link_of(merchant: Merchant, reference: str) -> PaymentLink:
    """Return the merchant's link. Raises ``PaymentLinkNotFound``."""
    return _found(links_of(merchant).filter(reference=reference))


def own_links(payment: Payment) -> QuerySet[PaymentLink]:
    """Return the links for this payment's order. Reusable links are for many shoppers, and are left out."""
    links = PaymentLink.objects.filter(merchant=payment.merchant_id, order_reference=payment.order_reference)
    return links.filter(is_reusable=False)


def disable_link(merchant: Merchant, reference: str) -> PaymentLink:
    """Disable a link, so that it makes no more payments. Its existing payments can still be paid."""
    with transaction.atomic():
        link = _found(links_of(merchant).select_for_update(of=("self",)).filter(reference=reference))
        if link.disabled_at is None:
            link.disabled_at = timezone.now()
            link.save(update_fields=["disabled_at"])
    return link


def open_for_shopper(token: str) -> PaymentLink:
    """Return the link with this token. Raises ``PaymentLinkNotFound`` and ``PaymentLinkClosed``."""
    rows = PaymentLink.objects.select_related("merchant__appearance")
    return _require_open(_found(rows.filter(token=token)))


def link_and_state(token: str) -> tuple[PaymentLink, PaymentState]:
    """Return a link and the state of its payment; ``open`` if there is none, or if the link is reusable.

    Raises the errors of ``open_for_shopper``.
    """
    link = open_for_shopper(token)
    known = None if link.is_reusable or not link.openings else payment_of(link.merchant, link.order_reference)
    return link, PaymentState.OPEN if known is None else PaymentState(known.state)


def payment_by_link(token: str, chosen: Chosen = AS_IT_IS) -> Payment:
    """Return the payment of a link: a new one if the link is reusable, or else the same each time.

    A new payment has the shopper's choices. If a link has one payment, and its shopper gives another e-mail
    address before the first attempt, the receipt goes there.

    An existing payment is returned in its present state. If the origin of the ``return_url`` is no longer
    registered, a payment is made without it.

    Raises ``PaymentLinkNotFound``, ``PaymentLinkClosed``, and ``DuplicateRequest`` if the order has another
    payment already. A reusable link always makes a new payment. It skips order numbers that have a payment,
    and raises ``DuplicateRequest`` if these are too many for one request. The next request then continues
    after them.
    """
    with transaction.atomic():
        rows = PaymentLink.objects.select_related("merchant").select_for_update(of=("self",))
        link = _require_open(_found(rows.filter(token=token)))
        if link.is_reusable:
            payment = _new_payment(link, chosen)
        else:
            payment = _own_payment(link, chosen)
            link.openings = 1
        link.save(update_fields=["openings", "last_number"])
    if payment is None:
        raise DuplicateRequest("The next order numbers of this link have payments already.")
    return payment


def hindrance(link: PaymentLink) -> str:
    """Return a problem of a link that is not closed, as text for staff; empty if there is none."""
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
            "Its payments do not lead back to the shop, because the origin of the return URL is no longer "
            "registered with the merchant."
        )
    return ""


def _own_payment(link: PaymentLink, chosen: Chosen) -> Payment:
    """Return the payment of a link that is not reusable. The first use creates it."""
    if link.openings and (known := payment_of(link.merchant, link.order_reference)) is not None:
        if chosen.shopper_email:
            unpaid = Payment.objects.filter(pk=known.pk, state=PaymentState.OPEN)
            unpaid.update(shopper_email=chosen.shopper_email)
        return known
    return _created_or_known(link, _wanted(link) | {"shopper_email": chosen.shopper_email})[0]


def _created_or_known(link: PaymentLink, wanted: Mapping[str, Any]) -> tuple[Payment, bool]:
    made_with = {"payment_link": link.reference}
    return created_or_known(link.merchant, wanted, made_with=made_with)


def _wanted(link: PaymentLink) -> dict[str, Any]:
    return checked_fields(link.merchant, order_reference=link.order_reference, **_fields(link))


def _new_payment(link: PaymentLink, chosen: Chosen) -> Payment | None:
    """Return a new payment and count it; None if every order number that was tried has a payment already."""
    fields = _fields(link) | _as_chosen(link, chosen)
    for _ in range(MOST_NUMBERS_AT_ONCE):
        link.last_number += 1
        order = f"{link.order_reference}-{link.last_number}"
        wanted = checked_fields(link.merchant, order_reference=order, **fields)
        with suppress(DuplicateRequest):
            payment, is_new = _created_or_known(link, wanted)
            if is_new:
                link.openings += 1
                return payment
    return None


def _as_chosen(link: PaymentLink, chosen: Chosen) -> dict[str, Any]:
    """Return the fields of a new payment that differ from those of its link. Raises ``RequestInvalid``."""
    if not 1 <= chosen.quantity <= link.max_quantity:
        raise RequestInvalid("quantity", "The link does not allow this quantity.")
    fields: dict[str, Any] = {"shopper_email": chosen.shopper_email}
    if link.is_adjustable:
        minor = chosen.amount_minor or 0
        if not (link.least_minor or 1) <= minor <= (link.most_minor or 0):
            raise RequestInvalid("amount", "The link does not allow this amount.")
        fields["amount"] = Money(minor, link.currency)
    if link.max_quantity > 1:
        fields["amount"] = Money(link.amount_minor * chosen.quantity, link.currency)
        fields["description"] = f"{chosen.quantity} {TIMES} {link.description}"[: LONGEST["description"]]
        fields["metadata"] = {**link.metadata, "quantity": str(chosen.quantity)}
    return fields


def _fields(link: PaymentLink) -> dict[str, Any]:
    """Return the fields that all payments of the link have."""
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
