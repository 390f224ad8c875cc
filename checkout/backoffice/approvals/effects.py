"""The effects of approved requests. Each compares the present state with the one that the requester saw."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from checkout.backoffice.display.facts import FactLine, money_facts, order_facts
from checkout.backoffice.display.localised import money_text
from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.actions import Available
from checkout.payments.checkout_messages import SettleBooks
from checkout.payments.locking import locked_payment
from checkout.payments.models import ApprovalRequest, Operation, Payment, ProviderAccount
from checkout.payments.models.approval import Matter
from messaging.libraries import typed

CHANGED = (
    "Something has changed since it was requested, so nothing was done. Decline it; it can be requested anew."
)
APPROVE_MONEY, APPROVE_CONFIGURATION = "payments.approve_money", "payments.approve_configuration"
# The permission to approve requests of each kind.
PERMISSIONS: Mapping[str, str] = {
    Matter.MONEY: APPROVE_MONEY,
    Matter.SETTLEMENT: APPROVE_MONEY,
    Matter.KEYS: APPROVE_CONFIGURATION,
    Matter.ACCOUNTS: APPROVE_CONFIGURATION,
}


@dataclass(frozen=True, slots=True)
class _Movement:
    left: Callable[[Available], Money]
    ask: Callable[..., actions.OperationView]


_MOVEMENTS: Mapping[str, _Movement] = {
    Operation.Kind.CAPTURE: _Movement(lambda available: available.capturable, actions.request_capture),
    Operation.Kind.REFUND: _Movement(lambda available: available.refundable, actions.request_refund),
}


def carry_out(request: ApprovalRequest) -> str:
    """Carry out an approved request, and return the result in words.

    Raises ``OperationRejected`` if the state that the requester saw has changed.
    """
    return _EFFECTS[request.matter](request)


def is_carried_out_at_once(request: ApprovalRequest) -> bool:
    """Return False for an API key: only the requester may see its secret, and so makes it later."""
    return request.matter in _EFFECTS


def facts(request: ApprovalRequest) -> Iterator[FactLine]:
    """Yield the facts for the approver: the payment at the request and now, or the changed values."""
    payment = request.payment
    if payment is not None:
        yield from money_facts(payment) if request.matter == Matter.MONEY else order_facts(payment)
    if payment is not None and request.matter == Matter.MONEY:
        then = Money(int(request.seen), request.currency)
        yield f"Left to {request.action} when it was requested", money_text(then)
        yield f"Left to {request.action} now", money_text(_left(request, payment))
    before, after = request.content.get("before", {}), request.content.get("after", {})
    for name, value in after.items():
        label = name.replace("_", " ").capitalize()
        yield label, f"{_text(before[name])} becomes {_text(value)}" if name in before else _text(value)


def columns(account: ProviderAccount) -> dict[str, Any]:
    """Return the values of an account that staff may edit, in the form in which JSON keeps them."""
    names = ("code", "provider", "merchant_code", "endpoint", "options", "accepted_brands")
    return {name: getattr(account, name) for name in names}


def seen_of(account: ProviderAccount | None) -> str:
    """Return the state of an account, to detect later that it has changed since the request."""
    return json.dumps(columns(account), sort_keys=True) if account else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _left(request: ApprovalRequest, payment: Payment) -> Money:
    return _MOVEMENTS[request.action].left(actions.available(payment.reference))


def _move(request: ApprovalRequest) -> str:
    payment = locked_payment(request.payment.reference) if request.payment else None
    if payment is None or str(_left(request, payment).minor) != request.seen:
        raise OperationRejected(CHANGED)
    view = _MOVEMENTS[request.action].ask(
        payment.reference,
        amount=request.amount,
        idempotency_key=f"approved-{request.pk}",
        by=request.requested_by,
        reason=request.reason,
        approval=request,
    )
    return f"{view.kind.capitalize()} {view.reference}"


def _settle(request: ApprovalRequest) -> str:
    decision = {"payment": "", "seen": request.seen, "by": request.requested_by, **request.content}
    found = typed.convert(decision, SettleBooks).found
    actions.settle_books(
        found, by=request.requested_by, reason=request.reason, seen=request.seen, approval=request
    )
    return "The decision is about to be carried out"


def _configure_account(request: ApprovalRequest) -> str:
    key = request.content["account"]
    account = ProviderAccount.objects.select_for_update().filter(pk=key).first() if key else None
    if seen_of(account) != request.seen:
        raise OperationRejected(CHANGED)
    if account is not None and request.action == "delete_account":
        name = account.code
        account.delete()
        return f"Deleted {name}"
    values = request.content["after"]
    changed = account or ProviderAccount(merchant=request.merchant)
    for name, value in values.items():
        setattr(changed, name, value)
    try:
        changed.full_clean()
    except ValidationError as error:
        raise OperationRejected(f"{CHANGED} {' '.join(error.messages)}") from None
    changed.save(update_fields=list(values) if account else None)
    return f"{'Changed' if account else 'Added'} {changed.code}"


_EFFECTS: Mapping[str, Callable[[ApprovalRequest], str]] = {
    Matter.MONEY: _move,
    Matter.SETTLEMENT: _settle,
    Matter.ACCOUNTS: _configure_account,
}
