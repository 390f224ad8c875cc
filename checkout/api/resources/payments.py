"""Payments: create, read, list, cancel, and list the attempts at them."""

from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpRequest
from django.urls import reverse
from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.requests.description import Described, IdempotencyKey
from checkout.api.requests.held import Held, held_once
from checkout.api.requests.idempotency import Made, answer_in, once
from checkout.api.requests.view import ApiView
from checkout.api.resources import charges, inputs
from checkout.api.resources.lists import ListObject, list_of
from checkout.api.resources.locations import address_of
from checkout.api.resources.webhook_inputs import NoFields
from checkout.conf import conf
from checkout.errors import IllegalTransition
from checkout.payments import actions
from checkout.payments.actions import creation, payment_queries
from checkout.payments.actions.metadata import change_metadata
from checkout.payments.checkout_messages import AwaitPayment
from checkout.payments.objects import AttemptObject, PaymentObject, PaymentStatus, payment_object
from checkout.payments.objects.customer_session import CustomerSessionObject
from checkout.receipts.objects import ReceiptObject, receipt_object
from checkout.receipts.resending import send_again_for

# The states of a payment that is to be cancelled, while it is not certain that no money is held.
_NOT_SETTLED = (
    PaymentStatus.PROCESSING,
    PaymentStatus.ACTION_REQUIRED,
    PaymentStatus.UNKNOWN,
    PaymentStatus.VOID_PENDING,
)


class Payments(ApiView):
    """All payments of the merchant."""

    methods: ClassVar = {
        "GET": Described(
            name="listPayments",
            summary="List payments, the newest first",
            scope=Scope.PAYMENTS_READ,
            query=inputs.Payments,
            answers={200: ListObject[PaymentObject]},
        ),
        "POST": Described(
            name="createPayment",
            summary="Create the payment of an order, for the shopper to pay at its address or for a saved "
            "card to be charged",
            scope=Scope.PAYMENTS_CREATE,
            body=inputs.CreatePayment,
            key=IdempotencyKey.REQUIRED,
            answers={201: PaymentObject, 200: PaymentObject, 202: PaymentObject},
            may_be_held=True,
            is_held_by_default=True,
            problems=(
                catalogue.ORDER_HAS_PAYMENT,
                catalogue.NO_PROVIDER_ACCOUNT,
                catalogue.SAVED_CARD_NOT_FOUND,
                catalogue.SAVED_CARD_NOT_USABLE,
            ),
        ),
    }

    def get(self, request: Request) -> Answer:
        """Return a page."""
        wanted = self.query
        states = wanted.pop("state")
        return Answer.of(200, list_of(payment_queries.list_payments(self.merchant, states=states, **wanted)))

    def post(self, request: Request) -> Answer | Held:
        """Create a payment. The answer is 200 if the order has the same payment already.

        If the body names a saved card, the card is charged as well, and the request is held until the outcome
        is known.
        """
        wanted, keyed = self.body, self.idempotency_key
        assert keyed is not None  # noqa: S101  it is required
        if "saved_card" in wanted:
            return charges.charge(self, keyed, wanted)
        record, is_replay = once(keyed, lambda: self._create(wanted))
        return answer_in(record, is_replay=is_replay)

    def _enter(self, request: HttpRequest, *, is_held_by_default: bool) -> None:
        """Apply the client's wait, and count the request as held, only if it charges a saved card."""
        if request.method == "POST" and "saved_card" in self.request.data:
            super()._enter(request, is_held_by_default=is_held_by_default)

    def _create(self, wanted: dict[str, Any]) -> Made:
        fields = creation.checked_fields(self.merchant, **charges.order_in(wanted))
        payment, is_new = creation.created_or_known(self.merchant, fields)
        if is_new:
            actions.require_account(self.merchant, payment.amount)
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        answer = Answer.of(status, payment_object(payment), Location=address_of(payment.reference))
        return Made(answer, payment.reference)


class PaymentByOrder(ApiView):
    """The payment of an order, found by the order number."""

    methods: ClassVar = {
        "GET": Described(
            name="findPayment",
            summary="Read a payment by the order's number",
            scope=Scope.PAYMENTS_READ,
            query=inputs.ByOrder,
            answers={200: PaymentObject},
            problems=(catalogue.PAYMENT_NOT_FOUND,),
        )
    }

    def get(self, request: Request) -> Answer:
        """Return the payment."""
        return Answer.of(
            200, payment_queries.read_payment_of_order(self.merchant, self.query["order_reference"])
        )


class OnePayment(ApiView):
    """One payment."""

    methods: ClassVar = {
        "GET": Described(
            name="getPayment",
            summary="Read a payment; with Prefer: wait=N, wait until it is no longer being processed",
            scope=Scope.PAYMENTS_READ,
            answers={200: PaymentObject},
            may_be_held=True,
            problems=(catalogue.PAYMENT_NOT_FOUND,),
        ),
        "PATCH": Described(
            name="changePayment",
            summary="Change the metadata of a payment, in any state",
            scope=Scope.PAYMENTS_CREATE,
            body=inputs.ChangePayment,
            answers={200: PaymentObject},
            problems=(catalogue.PAYMENT_NOT_FOUND,),
        ),
    }

    def patch(self, request: Request, reference: str) -> Answer:
        """Change the payment. No event reports this, because the merchant made the change."""
        changed = change_metadata(reference, self.body["metadata"], by=self.by, merchant=self.merchant)
        return Answer.of(200, payment_object(changed))

    def get(self, request: Request, reference: str) -> Answer | Held:
        """Return the payment."""
        payment = payment_queries.read_payment(self.merchant, reference)
        answer = Answer.of(200, payment)
        if payment.state is not PaymentStatus.PROCESSING or self.preference.seconds <= 0:
            return answer
        return Held(
            first=answer,
            seconds=self.preference.seconds,
            command=AwaitPayment(payment=reference),
            finish=lambda: Answer.of(200, payment_queries.read_payment(self.merchant, reference)),
        )


class PaymentAttempts(ApiView):
    """The attempts at one payment."""

    methods: ClassVar = {
        "GET": Described(
            name="listAttempts",
            summary="List the attempts at a payment, the newest first",
            scope=Scope.PAYMENTS_READ,
            query=inputs.Page,
            answers={200: ListObject[AttemptObject]},
            problems=(catalogue.PAYMENT_NOT_FOUND,),
        )
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return a page."""
        return Answer.of(200, list_of(payment_queries.list_attempts(self.merchant, reference, **self.query)))


class PaymentCustomerSession(ApiView):
    """The sessions in which the customer of a payment sees the saved cards on the payment's page."""

    methods: ClassVar = {
        "POST": Described(
            name="createCustomerSession",
            summary="Get an address that shows the payment's page with the saved cards of its customer",
            scope=Scope.SAVED_CARDS_OFFER,
            body=NoFields,
            answers={201: CustomerSessionObject},
            problems=(catalogue.PAYMENT_NOT_FOUND, catalogue.NOT_POSSIBLE_NOW),
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Make a session. Each request makes another one, which is stored only when the customer opens it."""
        _ = self.body
        session = actions.make_session(self.merchant, reference)
        path = reverse("checkout:identify", args=[reference, session.token])
        return Answer.of(
            HTTPStatus.CREATED,
            CustomerSessionObject(
                payment=session.payment,
                customer_reference=session.customer_reference,
                url=f"{conf.public_url}{path}",
                expires_at=session.opens_until,
            ),
        )


class PaymentReceipt(ApiView):
    """The receipt of one payment."""

    methods: ClassVar = {
        "POST": Described(
            name="resendReceipt",
            summary="Send the receipt of a payment to its shopper again, at most five times",
            scope=Scope.PAYMENTS_CREATE,
            body=NoFields,
            answers={202: ReceiptObject},
            problems=(catalogue.PAYMENT_NOT_FOUND, catalogue.NOT_POSSIBLE_NOW),
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Request that the receipt is sent again.

        Until it is sent, further requests are refused, so that a repetition sends no second receipt.
        """
        _ = self.body
        payment = payment_queries.find_payment(self.merchant, reference=reference)
        return Answer.of(HTTPStatus.ACCEPTED, receipt_object(send_again_for(payment.reference)))


class PaymentCancel(ApiView):
    """The resource that cancels one payment."""

    methods: ClassVar = {
        "POST": Described(
            name="cancelPayment",
            summary="Cancel an unpaid payment; if it is being paid, as soon as no money is held for it",
            scope=Scope.PAYMENTS_CREATE,
            body=inputs.Cancel,
            key=IdempotencyKey.ACCEPTED,
            answers={200: PaymentObject, 202: PaymentObject},
            may_be_held=True,
            problems=(catalogue.PAYMENT_NOT_FOUND, catalogue.NOT_POSSIBLE_NOW),
        )
    }

    def post(self, request: Request, reference: str) -> Answer | Held:
        """Cancel the payment. If it is cancelled already, or is about to be, nothing changes.

        The answer is 202 while an attempt may still hold money, and 200 once that is certain.
        """
        keyed, command = self.idempotency_key, AwaitPayment(payment=reference)
        if keyed is not None:
            return held_once(
                keyed,
                lambda: Made(self._cancel(reference), reference),
                seconds=self.preference.seconds,
                command=lambda _: command,
                present=self._present,
            )
        first = self._cancel(reference)
        if first.status != HTTPStatus.ACCEPTED:
            return first
        return Held(
            first=first,
            seconds=self.preference.seconds,
            command=command,
            finish=lambda: self._present(reference),
        )

    def _cancel(self, reference: str) -> Answer:
        if payment_queries.read_payment(self.merchant, reference).state is PaymentStatus.CANCELLED:
            return self._present(reference)
        try:
            actions.cancel_payment(reference, by=self.by, merchant=self.merchant)
        except IllegalTransition as error:
            # Another request may have cancelled the payment. The error's own text names internal states.
            state = payment_queries.read_payment(self.merchant, reference).state
            if state is not PaymentStatus.CANCELLED:
                raise IllegalTransition(f"A payment that is {state} cannot be cancelled.") from error
        return self._present(reference)

    def _present(self, reference: str) -> Answer:
        payment = payment_queries.read_payment(self.merchant, reference)
        if payment.state in _NOT_SETTLED:
            address = address_of(reference)
            return Answer.of(HTTPStatus.ACCEPTED, payment, Location=address, Retry_After="1")
        return Answer.of(HTTPStatus.OK, payment)
