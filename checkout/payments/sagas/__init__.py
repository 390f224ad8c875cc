"""Sagas: durable flows of steps. ``DEFINITIONS`` has the definition of each kind."""

from typing import Any

from checkout.ledger.messages import Posting
from checkout.payments.sagas.asking import Asking
from checkout.payments.sagas.definition import SagaDefinition
from checkout.payments.sagas.operations.kinds import Capture, IssuerMovement, Refund, Void
from checkout.payments.sagas.purchase.flow import Purchase

DEFINITIONS: dict[str, SagaDefinition[Any]] = {
    definition.kind: definition
    for definition in (
        Purchase(),
        Capture(),
        Void(),
        Refund(),
        IssuerMovement("charge_back", posting=Posting.CHARGED_BACK),
        IssuerMovement("charge_back_reversal", posting=Posting.CHARGE_BACK_REVERSED),
        Asking(),
    )
}
