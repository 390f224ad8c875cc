"""The public object of an attempt to pay."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from checkout.described import ATTEMPT, TIME, PaymentId, told
from checkout.payments.locking import read_once
from checkout.payments.models.payment import Attempt, Payment
from checkout.payments.objects.nested import CardObject, ErrorObject, Part, card_of, error_of
from checkout.payments.providers.authentication import Authentication
from checkout.payments.providers.saved_cards import MerchantInitiated
from checkout.states import AttemptState
from messaging.compiled_queries import Compiled


class AttemptStatus(StrEnum):
    """The states of an attempt. A failed attempt is not a failed payment, because another may follow."""

    PROCESSING = "processing"
    ACTION_REQUIRED = "action_required"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


STATUSES: Mapping[str, AttemptStatus] = {
    AttemptState.CREATED: AttemptStatus.PROCESSING,
    AttemptState.SUBMITTED: AttemptStatus.PROCESSING,
    AttemptState.CHALLENGE_REQUIRED: AttemptStatus.ACTION_REQUIRED,
    AttemptState.CHALLENGE_RETURNED: AttemptStatus.PROCESSING,
    AttemptState.UNKNOWN: AttemptStatus.UNKNOWN,
    AttemptState.AUTHORISED: AttemptStatus.SUCCEEDED,
    AttemptState.REFUSED: AttemptStatus.FAILED,
    AttemptState.NOT_SENT: AttemptStatus.FAILED,
    AttemptState.EXPIRED: AttemptStatus.FAILED,
    AttemptState.CONFLICTED: AttemptStatus.UNKNOWN,
}


class ThreeDSecureObject(Part, frozen=True):
    """The authentication of the shopper by the issuer (3-D Secure)."""

    result: Annotated[
        Authentication | None,
        told("The result of the authentication; null if it is not known.", "authenticated"),
    ]
    challenged: Annotated[bool, told("True if the issuer has asked the shopper to confirm.", False)]
    protocol_version: Annotated[
        str | None, told("The version of 3-D Secure; null if it is not known.", "2.2.0")
    ]


class AttemptObject(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a payment, with one card."""

    id: Annotated[str, told("The id of the attempt, which is the provider's order code.", ATTEMPT)]
    object: Annotated[Literal["attempt"], told("The kind of object.", "attempt")] = "attempt"
    payment: PaymentId
    number: Annotated[int, told("The number of the attempt at its payment: 1, 2, 3 and so on.", 1)]
    state: Annotated[AttemptStatus, told("The state of the attempt.", "succeeded")]
    last_error: Annotated[ErrorObject | None, told("The refusal; null unless the attempt failed.")]
    card: Annotated[
        CardObject | None, told("As much of the card as may be shown; null until the provider has told it.")
    ]
    created_at: Annotated[datetime, told("The time at which the attempt was made.", TIME)]
    updated_at: Annotated[datetime, told("The time of the last change.", TIME)]
    three_d_secure: Annotated[
        ThreeDSecureObject | None, told("The authentication by the issuer; null if none is known.")
    ]
    merchant_initiated: Annotated[
        MerchantInitiated | None,
        told(
            "The reason for which a saved card was charged without the shopper; null if the "
            "shopper has paid.",
            None,
        ),
    ]


# The latest attempt at a payment, without columns that neither pages nor objects use.
_LATEST = Compiled(
    lambda payment: (
        Attempt.objects.filter(payment_id=payment)
        .defer("browser", "session_state", "challenge_token_hash")
        .order_by("-number")[:1]
    )
)


def latest_attempt(payment: Payment) -> Attempt | None:
    """Return the latest attempt at a payment, if there is one."""
    return read_once(payment, "latest_attempt", _LATEST.first)


def attempt_object(attempt: Attempt, payment: Payment) -> AttemptObject:
    """Return the object of an attempt at ``payment``."""
    state = STATUSES[attempt.state]
    reason = attempt.refusal_reason if state is AttemptStatus.FAILED else ""
    if state is AttemptStatus.FAILED and not reason:
        reason = attempt.state
    return AttemptObject(
        id=attempt.order_code,
        payment=payment.reference,
        number=attempt.number,
        state=state,
        last_error=error_of(reason, attempt),
        card=card_of(attempt),
        created_at=attempt.created_at,
        updated_at=attempt.updated_at,
        three_d_secure=_three_d_secure(attempt),
        merchant_initiated=MerchantInitiated(attempt.merchant_initiated)
        if attempt.merchant_initiated
        else None,
    )


def _three_d_secure(attempt: Attempt) -> ThreeDSecureObject | None:
    told, challenge = attempt.three_d_secure, attempt.challenge or {}
    if not told and not attempt.challenge_count:
        return None
    status = told.get("status")
    return ThreeDSecureObject(
        result=Authentication(status) if status else None,
        challenged=attempt.challenge_count > 0,
        protocol_version=told.get("version") or challenge.get("version") or None,
    )
