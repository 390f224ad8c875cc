"""Durable flows. ``DEFINITIONS`` knows each by its kind."""

from typing import Any

from checkout.sagas.capture import Capture
from checkout.sagas.charge_back import IssuerMovement
from checkout.sagas.definition import SagaDefinition
from checkout.sagas.purchase import Purchase
from checkout.sagas.refund import Refund
from checkout.sagas.review import Review
from checkout.sagas.verification import Verification
from checkout.sagas.void import Void

purchase = Purchase()
verification = Verification()
review = Review()
DEFINITIONS: dict[str, SagaDefinition[Any]] = {
    definition.kind: definition
    for definition in (
        purchase,
        Capture(),
        Void(),
        Refund(),
        IssuerMovement("charge_back", posting="charged_back"),
        IssuerMovement("charge_back_reversal", posting="charge_back_reversed"),
        verification,
        review,
    )
}
