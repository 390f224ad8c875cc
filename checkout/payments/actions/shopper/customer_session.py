"""Customer sessions: a merchant's word that the shopper who comes to a payment is the payment's customer.

The merchant's server gets a token for one payment, and leads the shopper to an address that has it. The token
opens the session once, in the browser that comes first, within ``OPENS_WITHIN``. A fact of the payment
records that. Without a session, a payment's page shows no saved card, because anybody who knows the address
of the page can open it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.core import signing
from django.db import transaction
from django.utils import timezone

from checkout.errors import IllegalTransition, TokenRejected
from checkout.payments.actions.payment_queries import find_payment
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Fact, Merchant
from checkout.states import Actor, PaymentState

OPENS_WITHIN = timedelta(minutes=10)
_OPENED = "customer_identified"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSession:
    """A session that was not opened yet. It must be opened before ``opens_until``."""

    payment: str
    customer_reference: str
    token: str
    opens_until: datetime


def make_session(merchant: Merchant, reference: str) -> CustomerSession:
    """Return a session for the customer of a payment that can be paid.

    Raises ``PaymentNotFound``, and ``IllegalTransition`` if the payment names no customer, or cannot be paid.
    """
    payment = find_payment(merchant, reference=reference)
    if not payment.customer_reference:
        raise IllegalTransition("The payment was created without a customer_reference.")
    if not PaymentState(payment.state).may_be_paid or payment.is_overdue:
        raise IllegalTransition("The payment cannot be paid now.")
    return CustomerSession(
        payment=payment.reference,
        customer_reference=payment.customer_reference,
        token=_signer(reference).sign(secrets.token_urlsafe(16)),
        opens_until=timezone.now() + OPENS_WITHIN,
    )


@transaction.atomic
def open_session(reference: str, token: str) -> None:
    """Open the session of a token, which cannot be opened again.

    Raises ``PaymentNotFound``, and ``TokenRejected`` for a token of another payment, or one that was changed,
    has expired or was used.
    """
    payment = get_payment_for_update(reference)
    try:
        name = _signer(reference).unsign(token, max_age=OPENS_WITHIN)
    except signing.SignatureExpired:
        raise TokenRejected("The customer session has expired.", is_expired=True) from None
    except signing.BadSignature:
        raise TokenRejected("The customer session is not one of this payment.") from None
    # The payment is locked, so that of two browsers one is the first.
    data = {"session": sha256(name.encode()).hexdigest()}
    if payment.facts.filter(kind=_OPENED, data=data).exists():
        raise TokenRejected("The customer session was opened before.", is_expired=True)
    Fact.objects.create(payment=payment, source=Actor.SHOPPER, kind=_OPENED, data=data)


def _signer(reference: str) -> signing.TimestampSigner:
    """Return the signer of one payment's tokens, which no other payment accepts."""
    return signing.TimestampSigner(salt=f"checkout.customer_session.{reference}")
