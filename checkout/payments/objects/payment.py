"""The public object of a payment, which answers what clients would otherwise guess."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import groupby
from typing import Any, Literal

import msgspec
from django.urls import reverse

from checkout.conf import conf
from checkout.payments.models.payment import Attempt, Operation, Payment
from checkout.payments.objects.attempt import attempt_object, latest_attempt
from checkout.payments.objects.expiry import capture_before, unpaid_until
from checkout.payments.objects.nested import Action, CardObject, ErrorObject, NextAction, card_of, error_of
from checkout.payments.objects.operation import operation_object
from checkout.payments.providers.saved_cards import MerchantInitiated
from checkout.payments.totals import (
    Sums,
    added_up,
    is_accounted_for,
    is_stuck,
    operations_of_payment,
    operations_that_count,
    without_idle_voids,
)
from checkout.states import AttemptState, PaymentState


class PaymentStatus(StrEnum):
    """The states of a payment. In ``unknown``, money may be held or not, and the provider is asked."""

    OPEN = "open"
    PROCESSING = "processing"
    ACTION_REQUIRED = "action_required"
    UNKNOWN = "unknown"
    DECLINED = "declined"
    AUTHORISED = "authorised"
    CAPTURE_PENDING = "capture_pending"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    VOID_PENDING = "void_pending"
    VOIDED = "voided"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


P, S = PaymentState, PaymentStatus
STATUSES: Mapping[str, PaymentStatus] = {
    P.OPEN: S.OPEN,
    P.PROCESSING: S.PROCESSING,
    P.CHALLENGE_REQUIRED: S.ACTION_REQUIRED,
    P.CONFIRMING: S.UNKNOWN,
    P.AUTHORISED: S.AUTHORISED,
    P.CAPTURE_PENDING: S.CAPTURE_PENDING,
    P.PARTIALLY_CAPTURED: S.PARTIALLY_CAPTURED,
    P.CAPTURED: S.CAPTURED,
    P.REFUSED: S.DECLINED,
    P.VOID_PENDING: S.VOID_PENDING,
    P.VOIDED: S.VOIDED,
    P.PARTIALLY_REFUNDED: S.PARTIALLY_REFUNDED,
    P.REFUNDED: S.REFUNDED,
    P.CHARGED_BACK: S.DISPUTED,
    P.CANCELLED: S.CANCELLED,
    P.EXPIRED: S.EXPIRED,
    P.CONFLICTED: S.UNKNOWN,
}
# In these states only a refund, a dispute or its reversal may follow, and nothing after the last three. That
# is, unless the provider contradicts itself.
FINAL = frozenset({S.CAPTURED, S.VOIDED, S.CANCELLED, S.EXPIRED})
# In these states a rest of the authorisation may be left to capture, or be captured just now.
FINAL_WITHOUT_A_REST = frozenset({S.PARTIALLY_CAPTURED, S.PARTIALLY_REFUNDED, S.REFUNDED, S.DISPUTED})
# In these states no operation counts yet, or none was made.
_WITHOUT_OPERATIONS = frozenset({P.OPEN, P.PROCESSING, P.CHALLENGE_REQUIRED, P.CANCELLED})
# In these states no attempt has ended yet, or none matters any more.
_WITHOUT_ATTEMPT = frozenset({P.OPEN, P.PROCESSING, P.CHALLENGE_REQUIRED, P.CONFIRMING, P.CANCELLED})


class AmountsObject(msgspec.Struct, frozen=True, kw_only=True):
    """Sums in minor units: what was done, what may still be captured or refunded, what is disputed.

    ``disputed`` is what issuers have taken back. ``dispute_claimed`` is what else they are said to have
    taken, of the money that could be refunded otherwise. ``refundable`` is ``captured`` less both, and less
    all refunds that were not refused.
    """

    authorised: int = 0
    capturable: int = 0
    captured: int = 0
    refunded: int = 0
    refundable: int = 0
    disputed: int = 0
    dispute_claimed: int = 0


class LineObject(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the order."""

    sku: str
    quantity: int


class PaymentObject(msgspec.Struct, frozen=True, kw_only=True):
    """The payment of one order.

    ``is_final`` says that no money will be taken any more: only refunds and disputes may follow.
    ``can_retry`` says that the last attempt was declined and another one may start. ``next_action`` is where
    to send the shopper. ``version`` counts its moves, also those of its money within a state.

    ``effective_expires_at`` is when an unpaid payment expires by itself, also without an ``expires_at``.
    ``capture_before`` is when an authorised one is voided by itself. ``payment_link`` is the link that has
    made it, ``saved_card`` the card that it was made to charge, and ``merchant_initiated`` the reason.
    """

    id: str
    object: Literal["payment"] = "payment"
    order_reference: str
    merchant: str
    state: PaymentStatus
    is_final: bool
    can_retry: bool
    amount: int
    currency: str
    amounts: AmountsObject
    available_actions: list[Action]
    next_action: NextAction | None
    last_error: ErrorObject | None
    card: CardObject | None
    description: str
    customer_email: str
    metadata: dict[str, str]
    return_url: str
    cancel_url: str
    checkout_url: str
    locale: str
    captures_automatically: bool
    lines: list[LineObject]
    live: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    version: int
    customer_reference: str
    effective_expires_at: datetime | None
    capture_before: datetime | None
    payment_link: str | None
    saved_card: str | None
    merchant_initiated: MerchantInitiated | None


def payment_object(payment: Payment) -> PaymentObject:
    """Return the object of a payment, whose merchant should have been read with it.

    Reads its operations and its latest attempt, in the states in which they matter.
    """
    operations = () if payment.state in _WITHOUT_OPERATIONS else operations_that_count(payment)
    attempt = None if payment.state in _WITHOUT_ATTEMPT else latest_attempt(payment)
    return _object(payment, operations, attempt)


def without_events(payment: Payment) -> dict[str, Any]:
    """Return what has no events of its own, by its names in ``PaymentEventData``.

    That is the latest attempt, and the captures and voids of the purchase itself.
    """
    attempt = None if payment.state == P.OPEN else latest_attempt(payment)
    operations = () if payment.state in _WITHOUT_OPERATIONS else operations_of_payment(payment)
    return {
        "latest_attempt": attempt_object(attempt, payment) if attempt else None,
        "operations": [operation_object(each, payment) for each in operations if each.is_of_purchase],
    }


def payment_objects(payments: Sequence[Payment]) -> list[PaymentObject]:
    """Return the objects of many payments, with two queries."""
    keys = [payment.pk for payment in payments]
    operations = Operation.objects.filter(payment_id__in=keys).order_by("payment_id", "pk")
    of_payment = {key: list(group) for key, group in groupby(operations, lambda each: each.payment_id)}
    attempts = Attempt.objects.filter(payment_id__in=keys).order_by("payment_id", "number")
    # The attempts are in order, so the last one of each payment remains.
    latest = {attempt.payment_id: attempt for attempt in attempts}
    authorised: defaultdict[int, list[int]] = defaultdict(list)
    for attempt in attempts:
        if attempt.state == AttemptState.AUTHORISED:
            authorised[attempt.payment_id].append(attempt.pk)
    return [
        _object(
            payment,
            ()
            if payment.state in _WITHOUT_OPERATIONS
            else without_idle_voids(
                of_payment.get(payment.pk, ()), partial(authorised.__getitem__, payment.pk)
            ),
            None if payment.state in _WITHOUT_ATTEMPT else latest.get(payment.pk),
        )
        for payment in payments
    ]


def _object(payment: Payment, operations: Sequence[Operation], attempt: Attempt | None) -> PaymentObject:
    status = STATUSES[payment.state]
    sums = added_up(payment, operations)
    reason = payment.made_with.get("merchant_initiated")
    amounts = _amounts(payment, sums)
    can_retry = status is S.DECLINED and _may_try_again(payment, attempt)
    checkout_url = f"{conf.public_url}{reverse('checkout:checkout', args=[payment.reference])}"
    return PaymentObject(
        id=payment.reference,
        order_reference=payment.order_reference,
        merchant=payment.merchant.code,
        state=status,
        is_final=_is_final(status, sums, amounts),
        can_retry=can_retry,
        amount=payment.amount_minor,
        currency=payment.currency,
        amounts=amounts,
        available_actions=_actions(payment, sums, amounts),
        next_action=_next_action(payment, status, checkout_url, can_retry=can_retry),
        # A refusal that is in doubt keeps its reason, in case that it is confirmed.
        last_error=None if status is S.UNKNOWN else error_of(payment.refusal_reason, attempt),
        card=card_of(attempt),
        description=payment.description,
        customer_email=payment.shopper_email,
        metadata=payment.metadata,
        return_url=payment.return_url,
        cancel_url=payment.cancel_url,
        checkout_url=checkout_url,
        locale=payment.locale,
        captures_automatically=payment.captures_automatically,
        lines=[LineObject(sku=line["sku"], quantity=line["quantity"]) for line in payment.lines],
        live=payment.merchant.is_live,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
        expires_at=payment.expires_at,
        version=payment.version,
        customer_reference=payment.customer_reference,
        effective_expires_at=unpaid_until(payment),
        capture_before=capture_before(payment, operations),
        payment_link=payment.made_with.get("payment_link"),
        saved_card=payment.made_with.get("saved_card"),
        merchant_initiated=MerchantInitiated(reason) if reason else None,
    )


def _amounts(payment: Payment, sums: Sums) -> AmountsObject:
    may_act = is_accounted_for(payment, sums)
    is_held = may_act or is_stuck(payment, sums) or sums.captured > 0
    return AmountsObject(
        authorised=payment.amount_minor if is_held else 0,
        capturable=sums.left_to_capture if may_act else 0,
        captured=sums.captured,
        refunded=sums.refunded,
        refundable=sums.left_to_refund if may_act else 0,
        disputed=max(0, sums.charged_back),
        dispute_claimed=sums.dispute_claimed,
    )


def _is_final(status: PaymentStatus, sums: Sums, amounts: AmountsObject) -> bool:
    has_rest = amounts.capturable > 0 or sums.is_being_captured
    return status in FINAL or (status in FINAL_WITHOUT_A_REST and not has_rest)


def _may_try_again(payment: Payment, latest: Attempt | None) -> bool:
    return not payment.is_overdue and (latest.number if latest else 0) < conf.max_attempts


def _actions(payment: Payment, sums: Sums, amounts: AmountsObject) -> list[Action]:
    may_void = is_accounted_for(payment, sums) or is_stuck(payment, sums)
    offered: list[tuple[Action, bool]] = [
        ("capture", amounts.capturable > 0),
        ("void", may_void and sums.can_be_voided),
        ("refund", amounts.refundable > 0),
        ("cancel", PaymentState(payment.state).may_be_paid),
    ]
    return [action for action, is_possible in offered if is_possible]


def _next_action(
    payment: Payment, status: PaymentStatus, checkout_url: str, *, can_retry: bool
) -> NextAction | None:
    if status is S.ACTION_REQUIRED:
        path = reverse("checkout:challenge", args=[payment.reference])
        return NextAction(type="redirect", url=f"{conf.public_url}{path}")
    if (status is S.OPEN and not payment.is_overdue) or can_retry:
        return NextAction(type="redirect", url=checkout_url)
    return None
