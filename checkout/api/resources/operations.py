"""Captures, voids and refunds: request them, wait for them, and read them."""

from http import HTTPStatus
from typing import Any, ClassVar

from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.requests.description import Described, IdempotencyKey
from checkout.api.requests.held import Held, held_once
from checkout.api.requests.idempotency import Keyed, Made
from checkout.api.requests.view import ApiView
from checkout.api.resources import inputs
from checkout.api.resources.lists import ListObject, list_of
from checkout.api.resources.locations import address_of
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.actions import OperationView, payment_queries
from checkout.payments.checkout_messages import AwaitOperation
from checkout.payments.objects import OperationObject, OperationState, PaymentObject

# A validated body.
Wanted = dict[str, Any]

# The states in which a held request ends, because the provider has answered.
ANSWERED = (OperationState.PENDING, OperationState.SUCCEEDED, OperationState.REFUSED)
_PROBLEMS = (catalogue.PAYMENT_NOT_FOUND, catalogue.NOT_POSSIBLE_NOW)


def _described(name: str, summary: str, scope: Scope, body: Any, *problems: Any) -> Described:
    return Described(
        name=name,
        summary=summary,
        scope=scope,
        body=body,
        key=IdempotencyKey.REQUIRED,
        answers={201: OperationObject, 202: OperationObject},
        may_be_held=True,
        is_held_by_default=True,
        problems=(*_PROBLEMS, *problems),
    )


class OperationRequest(ApiView):
    """A request for an operation, which is held until the provider has answered.

    The answer is 201 once the provider has accepted or refused the operation, and 202 before. A refused
    operation is created as well, because events of its payment report it.
    """

    def request_operation(
        self, payment: PaymentObject, wanted: dict[str, Any], **common: Any
    ) -> OperationView:
        """Request the operation within the caller's transaction. Raises the errors of ``request_capture``."""
        raise NotImplementedError

    def post(self, request: Request, reference: str) -> Answer | Held:
        """Request the operation, or answer a repeated request with its present state."""
        wanted, keyed = self.body, self.idempotency_key
        assert keyed is not None  # noqa: S101  it is required
        return held_once(
            keyed,
            lambda: self._begin_operation(reference, wanted, keyed),
            seconds=self.preference.seconds,
            command=lambda operation: AwaitOperation(payment=reference, operation=operation),
            present=lambda operation: _answer(payment_queries.read_operation(self.merchant, operation)),
        )

    def _begin_operation(self, reference: str, wanted: Wanted, keyed: Keyed) -> Made:
        payment = payment_queries.read_payment(self.merchant, reference)
        view = self.request_operation(
            payment,
            wanted,
            idempotency_key=keyed.name,
            by=self.by,
            reason=wanted["reason"],
            metadata=wanted["metadata"],
            merchant=self.merchant,
        )
        return Made(_answer(payment_queries.read_operation(self.merchant, view.reference)), view.reference)


class PaymentCapture(OperationRequest):
    """The captures of one payment."""

    methods: ClassVar = {
        "POST": _described(
            "capturePayment",
            "Capture an amount, or all that is left",
            Scope.PAYMENTS_CAPTURE,
            inputs.Capture,
            catalogue.AMOUNT_NOT_AVAILABLE,
        )
    }

    def request_operation(
        self, payment: PaymentObject, wanted: dict[str, Any], **common: Any
    ) -> OperationView:
        """See ``OperationRequest``."""
        return actions.request_capture(
            payment.id, amount=_amount(payment, wanted), final_capture=wanted["final_capture"], **common
        )


class PaymentVoid(OperationRequest):
    """The void of one payment."""

    methods: ClassVar = {
        "POST": _described("voidPayment", "Release the authorisation", Scope.PAYMENTS_CAPTURE, inputs.Void)
    }

    def request_operation(
        self, payment: PaymentObject, wanted: dict[str, Any], **common: Any
    ) -> OperationView:
        """See ``OperationRequest``."""
        return actions.request_void(payment.id, **common)


class PaymentRefund(OperationRequest):
    """The refunds of one payment."""

    methods: ClassVar = {
        "POST": _described(
            "refundPayment",
            "Refund an amount, or all that is left",
            Scope.PAYMENTS_REFUND,
            inputs.Refund,
            catalogue.AMOUNT_NOT_AVAILABLE,
            catalogue.PAYMENT_DISPUTED,
            catalogue.REFUNDABLE_CHANGED,
        )
    }

    def request_operation(
        self, payment: PaymentObject, wanted: dict[str, Any], **common: Any
    ) -> OperationView:
        """See ``OperationRequest``."""
        expected = wanted.get("expected_refundable")
        return actions.request_refund(
            payment.id,
            amount=_amount(payment, wanted),
            expected_refundable=None if expected is None else Money(expected, payment.currency),
            **common,
        )


class PaymentOperations(ApiView):
    """The operations of one payment."""

    methods: ClassVar = {
        "GET": Described(
            name="listOperations",
            summary="List all operations of a payment, the oldest first",
            scope=Scope.PAYMENTS_READ,
            query=inputs.Operations,
            answers={200: ListObject[OperationObject]},
            problems=(catalogue.PAYMENT_NOT_FOUND,),
        )
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return all operations of the payment in one page, because there are few."""
        wanted = self.query
        shown = [
            each
            for each in payment_queries.list_operations(self.merchant, reference)
            if wanted["kind"] in ("", each.object) and wanted["state"] in ("", each.state)
        ]
        return Answer.of(200, list_of(payment_queries.Page(shown, "")))


class Operations(ApiView):
    """The operations of all payments."""

    methods: ClassVar = {
        "GET": Described(
            name="listAllOperations",
            summary="List the operations of all payments, such as refunds, the newest first",
            scope=Scope.PAYMENTS_READ,
            query=inputs.AllOperations,
            answers={200: ListObject[OperationObject]},
        )
    }

    def get(self, request: Request) -> Answer:
        """Return a page."""
        wanted = self.query
        chosen = {"kinds": wanted.pop("kind"), "states": wanted.pop("state")}
        return Answer.of(200, list_of(payment_queries.list_all_operations(self.merchant, **chosen, **wanted)))


class OneOperation(ApiView):
    """One operation."""

    methods: ClassVar = {
        "GET": Described(
            name="getOperation",
            summary="Read an operation; with Prefer: wait=N, wait until the provider has answered",
            scope=Scope.PAYMENTS_READ,
            answers={200: OperationObject},
            may_be_held=True,
            problems=(catalogue.OPERATION_NOT_FOUND,),
        )
    }

    def get(self, request: Request, reference: str) -> Answer | Held:
        """Return the operation."""
        operation = payment_queries.read_operation(self.merchant, reference)
        answer = Answer.of(200, operation)
        if operation.state in ANSWERED or self.preference.seconds <= 0:
            return answer
        return Held(
            first=answer,
            seconds=self.preference.seconds,
            command=AwaitOperation(payment=operation.payment, operation=reference),
            finish=lambda: Answer.of(200, payment_queries.read_operation(self.merchant, reference)),
        )


def _answer(operation: OperationObject) -> Answer:
    address = address_of(operation.id)
    if operation.state in ANSWERED:
        return Answer.of(HTTPStatus.CREATED, operation, Location=address)
    return Answer.of(HTTPStatus.ACCEPTED, operation, Location=address, Retry_After="1")


def _amount(payment: PaymentObject, wanted: Wanted) -> Money | None:
    minor = wanted.get("amount")
    return None if minor is None else Money(minor, payment.currency)
