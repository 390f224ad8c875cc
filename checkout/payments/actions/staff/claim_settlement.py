"""Record the decision of staff on a notification's claim that the provider's answers leave open."""

from django.db import transaction

from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments.actions.staff.duplicate_decision import refuse_duplicate_decision
from checkout.payments.checkout_messages import SettleClaim
from checkout.payments.locking import locked_attempt_of
from checkout.payments.models import Fact
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.sagas.orchestration.locking import numbered_saga
from checkout.payments.sagas.settlement.claim import (
    TRUE,
    UNTRUE,
    Seen,
    obstacle,
    seen_now,
    word,
)
from checkout.payments.sagas.settlement.verification import CLAIM_SETTLED
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor

WORDS = {TRUE: "it is so", UNTRUE: "it is not so"}


@transaction.atomic
def settle_claim(
    saga_pk: int,
    *,
    is_true: bool,
    amount: Money | None = None,
    by: str,
    reason: str,
    seen: Seen | None = None,
) -> None:
    """Record that a notification's claim ``is_true``, or that it is false or a copy of an earlier one.

    Its verification saga must be parked. For a charge-back or its reversal that is true, exactly ``amount``
    is booked; False says that nothing happened that is not in our books. Any other claim has no amount. A
    refund that failed and was made after all is booked. Any other true claim makes the payment conflicted or
    expired, as if the provider had confirmed it.

    ``seen`` is the state that the decision is based on; without it, the present one. The decision is carried
    out a moment later. If more becomes known first, a fact says that the decision came too late.

    Raises ``OperationRejected``, with what to do instead, when there is no such saga, it cannot be settled
    so, a decision has been made already, or no reason is given.
    """
    reason = scrub_note(reason).strip()
    if not reason:
        raise OperationRejected("Say how you found out.")
    saga = numbered_saga(saga_pk)
    if saga is None:
        raise OperationRejected("There is no such saga.")
    attempt = locked_attempt_of(saga)
    why = obstacle(saga, attempt, is_true=is_true, amount=amount)
    if why:
        raise OperationRejected(why)
    now = seen_now(saga)
    if seen not in (None, now):
        raise OperationRejected("More has become known since you looked. Look again.")
    refuse_duplicate_decision(saga, CLAIM_SETTLED, {"saga": saga.pk}, WORDS)
    data = {
        "by": by,
        "reason": reason,
        "claim": saga.data["claim"],
        "said": word(is_true),
        "amount": str(amount) if amount else "",
        "saga": saga.pk,
        "version": saga.version,
    }
    Fact.objects.create(
        payment=saga.payment,
        attempt=attempt,
        source=Actor.STAFF,
        kind=CLAIM_SETTLED,
        data={name: value for name, value in data.items() if value != ""},
    )
    command = SettleClaim(
        payment=saga.payment.reference,
        saga=saga.pk,
        is_true=is_true,
        minor=amount.minor if amount else None,
        currency=amount.currency if amount else "",
        version=now.version,
        booked=now.booked,
        by=by,
    )
    send_to_checkout(command, saga.payment.reference)
