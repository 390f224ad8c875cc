"""The public object of a payment, with the sums and next steps that clients would otherwise compute."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import groupby
from typing import Annotated, Any, Literal

import msgspec
from django.urls import reverse

from checkout.conf import conf
from checkout.described import PAYMENT, TIME, Amount, Currency, MerchantCode, OrderReference, OwnData, told
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
# In these states only a refund, a dispute or its reversal may follow. After the last three, nothing may
# follow, unless the provider contradicts itself.
FINAL = frozenset({S.CAPTURED, S.VOIDED, S.CANCELLED, S.EXPIRED})
# In these states, a rest of the authorisation may be left to capture, or may be being captured just now.
FINAL_WITHOUT_A_REST = frozenset({S.PARTIALLY_CAPTURED, S.PARTIALLY_REFUNDED, S.REFUNDED, S.DISPUTED})
# In these states no operation counts yet, or none was made.
_WITHOUT_OPERATIONS = frozenset({P.OPEN, P.PROCESSING, P.CHALLENGE_REQUIRED, P.CANCELLED})
# In these states, no attempt has ended yet, or none matters now.
_WITHOUT_ATTEMPT = frozenset({P.OPEN, P.PROCESSING, P.CHALLENGE_REQUIRED, P.CONFIRMING, P.CANCELLED})


class AmountsObject(msgspec.Struct, frozen=True, kw_only=True):
    """Sums in minor units of the payment's currency."""

    authorised: Annotated[int, told("The amount that the issuer has authorised.", 1250)] = 0
    capturable: Annotated[int, told("The amount that may still be captured.", 0)] = 0
    captured: Annotated[int, told("The amount captured.", 1250)] = 0
    refunded: Annotated[int, told("The amount refunded.", 0)] = 0
    refundable: Annotated[
        int,
        told(
            "The amount that may still be refunded: `captured` less all disputes and all "
            "refunds that were not refused.",
            1250,
        ),
    ] = 0
    disputed: Annotated[int, told("The amount that issuers have taken back.", 0)] = 0
    dispute_claimed: Annotated[
        int, told("The amount that disputes claim beside it, and that cannot be refunded.", 0)
    ] = 0


class LineObject(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the order."""

    sku: Annotated[str, told("The merchant's name of the goods.", "tea")]
    quantity: Annotated[int, told("The number of pieces, at least 1.", 2)]


class PaymentObject(msgspec.Struct, frozen=True, kw_only=True):
    """The payment of one order."""

    id: Annotated[str, told("The id of the payment.", PAYMENT)]
    object: Annotated[Literal["payment"], told("The kind of object.", "payment")] = "payment"
    order_reference: OrderReference
    merchant: MerchantCode
    state: Annotated[PaymentStatus, told("The state of the payment.", "captured")]
    is_final: Annotated[
        bool, told("True if no money will be taken any more. Only refunds and disputes may follow.", True)
    ]
    can_retry: Annotated[
        bool, told("True if the last attempt was declined, and another one may start.", False)
    ]
    amount: Amount
    currency: Currency
    amounts: Annotated[AmountsObject, told("What was done, and what may still be done.")]
    available_actions: Annotated[list[Action], told("The requests that may be made now.", ["refund"])]
    next_action: Annotated[
        NextAction | None, told("The step that the shopper has to take; null if there is none.")
    ]
    last_error: Annotated[ErrorObject | None, told("The last refusal; null if there is none.")]
    card: Annotated[
        CardObject | None, told("The card of the latest attempt; null until the provider has told it.")
    ]
    description: Annotated[str, told("What is paid for, as the shopper reads it.", "Tea")]
    customer_email: Annotated[
        str, told("The shopper's address; blank if there is none.", "shopper@example.com")
    ]
    metadata: OwnData
    return_url: Annotated[
        str,
        told(
            "The address to which the shopper returns afterwards; blank if there is none.",
            "https://shop.example/thanks",
        ),
    ]
    cancel_url: Annotated[
        str,
        told(
            "The address for a shopper who gives up; blank if there is none.", "https://shop.example/basket"
        ),
    ]
    checkout_url: Annotated[
        str,
        told(
            "The address at which the payment is paid. Send the shopper there.",
            f"https://pay.example/checkout/{PAYMENT}/",
        ),
    ]
    locale: Annotated[str, told("The shopper's language (BCP 47); blank if it is not known.", "en-GB")]
    captures_automatically: Annotated[
        bool, told("True if the money is taken as soon as it is authorised.", True)
    ]
    lines: Annotated[
        list[LineObject],
        told("The items to reserve in the gateway's stock.", [{"sku": "tea", "quantity": 2}]),
    ]
    live: Annotated[bool, told("False for a merchant that is only tried out.", False)]
    created_at: Annotated[datetime, told("The time at which the payment was made.", TIME)]
    updated_at: Annotated[datetime, told("The time of the last change.", TIME)]
    expires_at: Annotated[
        datetime | None, told("The time after which no attempt may start; null if none was set.", None)
    ]
    version: Annotated[
        int, told("The number of the payment's moves, also those of its money within a state.", 4)
    ]
    customer_reference: Annotated[
        str, told("The merchant's own id of the customer; blank without one.", "customer-7")
    ]
    effective_expires_at: Annotated[
        datetime | None,
        told(
            "The time at which an unpaid payment expires by itself, also without "
            "`expires_at`; null if it is not waiting to be paid.",
            None,
        ),
    ]
    capture_before: Annotated[
        datetime | None,
        told("The time at which an authorised payment is voided by itself; null if it will not be.", None),
    ]
    payment_link: Annotated[
        str | None, told("The id of the payment link that has made the payment; null if none has.", None)
    ]
    saved_card: Annotated[
        str | None,
        told("The id of the saved card that the payment was made to charge; null if there is none.", None),
    ]
    merchant_initiated: Annotated[
        MerchantInitiated | None,
        told(
            "The reason for which a saved card is charged without the shopper; null if the shopper pays.",
            None,
        ),
    ]


def payment_object(payment: Payment) -> PaymentObject:
    """Return the object of a payment, whose merchant should have been read with it.

    Reads its operations and its latest attempt, in the states in which they matter.
    """
    operations = () if payment.state in _WITHOUT_OPERATIONS else operations_that_count(payment)
    attempt = None if payment.state in _WITHOUT_ATTEMPT else latest_attempt(payment)
    return _object(payment, operations, attempt)


def without_events(payment: Payment) -> dict[str, Any]:
    """Return the rows that have no events of their own, by the names of the fields of ``PaymentEventData``.

    These are the latest attempt, and the captures and voids of the purchase itself.
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
    # The attempts are in order, so the last attempt of each payment remains.
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
        # A refusal in doubt keeps its reason, in case the refusal is confirmed.
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
        ("cancel", payment.may_be_cancelled),
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
