"""Four-eyes approval: a member of staff requests an action, and another one approves or declines it.

Each merchant has its own rules (``models.ApprovalRule``). They are applied where money is moved and books are
settled, so that no page can forget them. Programs of merchants need no approval.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone

from checkout.errors import ApprovalRequired, DuplicateRequest, OperationRejected
from checkout.money import Money
from checkout.payments.models import ApprovalRequest, ApprovalRule, Merchant, Operation, Payment
from checkout.payments.models.approval import Matter
from checkout.privacy.scrubbing import scrub_note

State = ApprovalRequest.State
# The action of a request to settle books.
SETTLE = "settle"
LATE = "Nobody has decided in time. Request it again if it is still wanted."
OWN = "Another member of staff has to decide on what you have requested."


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff: the user's name and key."""

    name: str
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An action that a member of staff requests. ``models.ApprovalRequest`` describes its fields."""

    merchant: Merchant
    matter: Matter
    action: str
    what: str
    key: str
    content: Mapping[str, object] = field(default_factory=dict)
    seen: str = ""
    reason: str = ""
    payment: Payment | None = None
    amount: Money | None = None


def needs_approval(merchant: int, matter: Matter) -> bool:
    """Return True if a rule of the merchant with this key demands an approval for the matter."""
    return ApprovalRule.objects.filter(merchant=merchant, matter=matter).exists()


def amount_needs_approval(payment: Payment, kind: str, amount: Money) -> bool:
    """Return True if a rule of the payment's merchant demands an approval for this amount.

    Earlier operations of the same kind on the payment are added, so that nobody stays below the limit with
    several small parts.
    """
    rules = ApprovalRule.objects.filter(merchant=payment.merchant_id, matter=Matter.MONEY)
    rule = rules.filter(currency=amount.currency).first()
    if rule is None:
        return False
    earlier = payment.operations.filter(kind=kind).exclude(state=Operation.State.REFUSED)
    moved = earlier.aggregate(total=Sum("amount_minor"))["total"] or 0
    return bool(moved + amount.minor > rule.above_minor)


def require_approval(
    payment: Payment, action: str, approval: ApprovalRequest | None, amount: Money | None = None
) -> None:
    """Raise ``ApprovalRequired`` if a rule asks for an approval and ``approval`` is not for this action.

    ``action`` is the kind of operation that moves ``amount``, or the settling of books.
    """
    if approval is None:
        if amount is None and not needs_approval(payment.merchant_id, Matter.SETTLEMENT):
            return
        if amount is not None and not amount_needs_approval(payment, action, amount):
            return
        raise ApprovalRequired()
    given = (approval.state, approval.action, approval.payment_id, approval.amount)
    if given != (State.APPROVED, action, payment.pk, amount):
        raise ApprovalRequired()


def propose(proposal: Proposal, by: Member) -> tuple[ApprovalRequest, bool]:
    """Store a request for approval once. Return it, and True if it is new.

    Raises ``DuplicateRequest`` if the key was used for something else.
    """
    fields = {
        "merchant": proposal.merchant,
        "payment": proposal.payment,
        "matter": proposal.matter,
        "action": proposal.action,
        "what": proposal.what[:300],
        "amount_minor": proposal.amount.minor if proposal.amount else None,
        "currency": proposal.amount.currency if proposal.amount else "",
        "content": dict(proposal.content),
        "seen": proposal.seen,
        "reason": scrub_note(proposal.reason)[:300],
        "requested_by": by.name,
        "requested_by_user": by.key,
    }
    request, is_new = ApprovalRequest.objects.get_or_create(key=proposal.key, defaults=fields)
    same = ("action", "payment_id", "amount_minor", "content", "requested_by_user")
    wanted = {**fields, "payment_id": proposal.payment.pk if proposal.payment else None}
    if any(getattr(request, name) != wanted[name] for name in same):
        raise DuplicateRequest("This form was used for another request.")
    return request, is_new


@transaction.atomic
def approve(
    key: int, by: Member, carry_out: Callable[[ApprovalRequest], str] | None = None
) -> ApprovalRequest:
    """Approve the request with this primary key, carry it out if ``carry_out`` is given, and return it.

    Both happen or neither does. Raises ``OperationRejected`` if the request is decided or expired, or if
    ``by`` has made it, and the errors of ``carry_out``, for example after a change of the state.
    """
    request = _to_be_decided(key, by)
    _decide(request, State.APPROVED, by, "")
    if carry_out is not None:
        request.outcome = carry_out(request)[:200]
        request.state = State.DONE
        request.save(update_fields=["state", "outcome"])
    return request


@transaction.atomic
def decline(key: int, by: Member, reason: str) -> None:
    """Decline a request. Raises ``OperationRejected`` like ``approve``."""
    _decide(_to_be_decided(key, by), State.DECLINED, by, reason)


@transaction.atomic
def withdraw(key: int, by: Member) -> None:
    """Withdraw one's own request. Raises ``OperationRejected`` if it is another's, or is decided."""
    request = _locked(key)
    if request.requested_by_user != by.key:
        raise OperationRejected("Only who has made a request can withdraw it.")
    if request.state != State.WAITING:
        raise OperationRejected(f"It is {request.get_state_display()} already.")
    request.state = State.WITHDRAWN
    request.save(update_fields=["state"])


@transaction.atomic
def carry_out_approved(key: int, by: Member, carry_out: Callable[[ApprovalRequest], str]) -> ApprovalRequest:
    """Carry out one's own request after its approval, once, and return it.

    Raises ``OperationRejected`` if it is another's, not approved, carried out already or too old.
    """
    request = _locked(key)
    if request.requested_by_user != by.key:
        raise OperationRejected("Only who has made a request can carry it out.")
    if request.state != State.APPROVED or request.is_expired:
        raise OperationRejected(LATE if request.is_expired else f"It is {request.get_state_display()}.")
    request.outcome = carry_out(request)[:200]
    request.state = State.DONE
    request.save(update_fields=["state", "outcome"])
    return request


def _locked(key: int) -> ApprovalRequest:
    request = ApprovalRequest.objects.select_for_update(of=("self",)).filter(pk=key).first()
    if request is None:
        raise OperationRejected("There is no such request.")
    return request


def _to_be_decided(key: int, by: Member) -> ApprovalRequest:
    request = _locked(key)
    if request.state != State.WAITING:
        raise OperationRejected(f"It is {request.get_state_display()} already.")
    if request.is_expired:
        raise OperationRejected(LATE)
    if request.requested_by_user == by.key:
        raise OperationRejected(OWN)
    return request


def _decide(request: ApprovalRequest, state: ApprovalRequest.State, by: Member, reason: str) -> None:
    request.state, request.decided_by, request.decided_by_user = state, by.name, by.key
    request.decided_at, request.decision_reason = timezone.now(), scrub_note(reason)[:300]
    try:
        with transaction.atomic():
            request.save(
                update_fields=["state", "decided_by", "decided_by_user", "decided_at", "decision_reason"]
            )
    except IntegrityError:
        # The request has expired since it was read.
        raise OperationRejected(LATE) from None
