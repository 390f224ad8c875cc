"""Record the decision of staff on a conflicted payment, by what they found in the provider's books."""

from django.db import transaction

from checkout.errors import IllegalTransition, OperationRejected
from checkout.payments.actions.staff.duplicate_decision import refuse_duplicate_decision_on
from checkout.payments.checkout_messages import SettlePayment
from checkout.payments.locking import get_payment_for_update, locked_attempt
from checkout.payments.models import Attempt, Fact, Payment
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.sagas.settlement.contradiction import attempts_to_settle
from checkout.payments.sagas.settlement.payment import obstacle, seen_now
from checkout.payments.sagas.settlement.reckoning import PAYMENT_SETTLED, TheirBooks
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor, PaymentState


@transaction.atomic
def settle_payment(
    reference: str, theirs: TheirBooks, *, attempt: str = "", by: str, reason: str, seen: str | None = None
) -> None:
    """Record that the provider's books have the sums ``theirs`` for a conflicted payment.

    ``attempt`` is the order code that staff looked up; without it, that of the attempt which a review asks
    about. ``seen`` is the state that the decision is based on; without it, the present one. The decision is
    carried out a moment later: our books are made to agree with the provider's, and the payment follows them.
    If anything moves first, a fact says that the decision came too late.

    Raises ``PaymentNotFound``, ``IllegalTransition`` for a payment that is not conflicted, and
    ``OperationRejected``, with what to do instead, when it cannot be settled so, a decision has been made
    already, or no reason is given.
    """
    reason = scrub_note(reason).strip()
    if not reason:
        raise OperationRejected("Say how you found out.")
    payment = get_payment_for_update(reference)
    if payment.state != PaymentState.CONFLICTED:
        raise IllegalTransition(f"A payment that is {payment.state} contradicts nothing.")
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
    for each in attempts_to_settle(payment):
        if order_code in ("", each.order_code):
            locked = locked_attempt(each.pk)
            locked.payment = payment
            return locked
    raise OperationRejected(f"The attempt {order_code} contradicts nothing.")
