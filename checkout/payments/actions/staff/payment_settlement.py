"""Record the decision of staff on a payment, by the figures that they found in the provider's books."""

from django.db import transaction

from checkout.errors import OperationRejected
from checkout.payments.actions.staff.duplicate_decision import refuse_duplicate_decision_on
from checkout.payments.checkout_messages import SettlePayment
from checkout.payments.locking import get_payment_for_update, locked_attempt
from checkout.payments.models import Attempt, Fact, Payment
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.sagas.settlement.payment import obstacle, seen_now
from checkout.payments.sagas.settlement.reckoning import PAYMENT_SETTLED, TheirBooks
from checkout.payments.sagas.settlement.settleable import NOTHING_TO_SETTLE, attempts_to_settle
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor


@transaction.atomic
def settle_payment(
    reference: str, theirs: TheirBooks, *, attempt: str = "", by: str, reason: str, seen: str | None = None
) -> None:
    """Record that the provider's books have the sums ``theirs`` for an attempt of a payment.

    ``attempt`` is the order code that staff looked up; without it, that of the attempt to begin with.
    ``seen`` is the state that the decision is based on; without it, the present one. The decision is
    carried out a moment later: our books are made to agree with the provider's, and the payment follows them.
    If they agree already, nothing but a fact tells of it. If anything moves first, a fact says that the
    decision came too late.

    Raises ``PaymentNotFound``, and ``OperationRejected``, with what to do instead, when the payment cannot be
    settled so, a decision has been made already, or no reason is given.
    """
    reason = scrub_note(reason).strip()
    if not reason:
        raise OperationRejected("Say how you found out.")
    payment = get_payment_for_update(reference)
    asked = _attempt(payment, attempt)
    if why := obstacle(asked, theirs):
        raise OperationRejected(why)
    now = seen_now(payment)
    if seen not in (None, now):
        raise OperationRejected("More has become known since you looked. Look again.")
    refuse_duplicate_decision_on(asked, PAYMENT_SETTLED, now)
    Fact.objects.create(
        payment=payment,
        attempt=asked,
        source=Actor.STAFF,
        kind=PAYMENT_SETTLED,
        data={"by": by, "reason": reason, "said": theirs.in_words, "seen": now}
        | ({"lacks": sorted(theirs.lacks)} if theirs.lacks else {}),
    )
    command = SettlePayment(
        payment=payment.reference,
        attempt=asked.order_code,
        captured=theirs.captured.minor,
        refunded=theirs.refunded.minor,
        charged_back=theirs.charged_back.minor,
        currency=theirs.captured.currency,
        is_held=theirs.is_held,
        seen=now,
        by=by,
        lacks=sorted(theirs.lacks),
    )
    send_to_checkout(command, payment.reference)


def _attempt(payment: Payment, order_code: str) -> Attempt:
    candidates = attempts_to_settle(payment)
    if not candidates:
        raise OperationRejected(NOTHING_TO_SETTLE)
    found = next((each for each in candidates if order_code in ("", each.order_code)), None)
    if found is None:
        raise OperationRejected(f"No money of the attempt {order_code} was ever held.")
    locked = locked_attempt(found.pk)
    locked.payment = payment
    return locked
