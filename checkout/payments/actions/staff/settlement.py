"""Record the decision of staff on an open matter between the provider's books and ours."""

from django.db import transaction

from checkout.errors import OperationRejected
from checkout.payments.actions.staff.approvals import SETTLE, require_approval
from checkout.payments.checkout_messages import Found, SettleBooks
from checkout.payments.models import ApprovalRequest, Fact
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.sagas.settlement.matter import Matter
from checkout.payments.sagas.settlement.settle import MATTERS, locked_matter
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor


@transaction.atomic
def settle_books(
    found: Found,
    *,
    by: str,
    reason: str,
    seen: str | None = None,
    approval: ApprovalRequest | None = None,
) -> None:
    """Record what staff have ``found`` out about an operation, a claim, or the figures of an attempt.

    ``seen`` is what was known when staff decided; without it, what is known now. The decision is carried out
    a moment later (``sagas/settlement/settle.py``). If more becomes known before that, a fact says that the
    decision came too late.

    Raises ``OperationRejected``, with advice, if there is no such matter, if it cannot be settled in this
    way, if a decision has been made already, or if no reason is given. Raises ``ApprovalRequired`` if a rule
    of the merchant asks for an ``approval``.
    """
    reason = scrub_note(reason).strip()
    if not reason:
        raise OperationRejected("Say how you found out.")
    matter = locked_matter(found)
    if matter is None:
        raise OperationRejected(f"There is no such {MATTERS[type(found)].noun}.")
    if why := matter.obstacle:
        raise OperationRejected(why)
    now = matter.seen_now
    if seen not in (None, now):
        raise OperationRejected("More has become known since you looked. Look again.")
    refuse_duplicate_decision(matter, now)
    require_approval(matter.payment, SETTLE, approval)
    said = {"by": by, "reason": reason, **matter.named, "said": matter.said, "seen": now, **matter.details}
    Fact.objects.create(
        payment=matter.payment, attempt=matter.attempt, source=Actor.STAFF, kind=matter.fact, data=said
    )
    name = matter.payment.reference
    send_to_checkout(SettleBooks(payment=name, found=found, seen=now, by=by), name)


def refuse_duplicate_decision(matter: Matter, now: str) -> None:
    """Raise ``OperationRejected`` if an earlier decision on what is known ``now`` is being carried out.

    The matter is locked, so that decisions are made one after another. After a decision that came too late,
    another one may follow.
    """
    named = {f"data__{name}": value for name, value in matter.named.items()}
    facts = Fact.objects.filter(attempt_id=matter.attempt.pk, kind__startswith=matter.fact, **named)
    known = facts.order_by("-pk").first()
    if known is not None and known.kind == matter.fact and known.data["seen"] == now:
        said = matter.in_words(known.data["said"])
        raise OperationRejected(f"{known.data['by']} has said already: {said}. See how it goes.")
