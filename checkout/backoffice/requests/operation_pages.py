"""Captures, voids and refunds from a payment's page: a form, a page to confirm it, and the request."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from checkout.audit.log import Details
from checkout.backoffice.approvals.asking import ask_for_approval, waiting_tools
from checkout.backoffice.audited import entries_about, note, subject_of
from checkout.backoffice.display.facts import money_facts
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.requests.operation_form import OperationForm
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool
from checkout.errors import AmountNotAvailable, DuplicateRequest, OperationRejected
from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.actions import Available, OperationView
from checkout.payments.actions.staff.approvals import Proposal, amount_needs_approval
from checkout.payments.locking import locked_payment
from checkout.payments.models import ApprovalRequest, Operation, Payment
from checkout.payments.models.approval import Matter


@dataclass(frozen=True, slots=True)
class Request:
    """A kind of operation, which staff with the permission ``request_<kind>`` may request.

    ``left`` returns the largest possible amount, which is zero if the operation is not possible.
    """

    kind: Operation.Kind
    label: str
    explanation: str
    left: Callable[[Available], Money]
    ask: Callable[..., OperationView]
    has_amount: bool = True

    @property
    def permission(self) -> str:
        return f"payments.request_{self.kind}"

    def needs_approval(self, payment: Payment, amount: Money | None, key: str) -> bool:
        """Return True if another member of staff has to approve this operation.

        An operation that was already requested with ``key`` needs no approval. If an approval was already
        requested with ``key``, it is needed even if the rule has changed since.
        """
        if amount is None or payment.operations.filter(idempotency_key=key).exists():
            return False
        if ApprovalRequest.objects.filter(key=approval_key(payment, key)).exists():
            return True
        return amount_needs_approval(payment, self.kind, amount)

    def proposal(self, payment: Payment, amount: Money, *, key: str, left: Money, reason: str) -> Proposal:
        """Return the request for approval of this operation.

        ``left`` is the amount that its author has seen.
        """
        return Proposal(
            merchant=payment.merchant,
            payment=payment,
            matter=Matter.MONEY,
            action=str(self.kind),
            what=f"{self.label} {localised_money(amount)} of order {payment.order_reference}",
            key=approval_key(payment, key),
            amount=amount,
            seen=str(left.minor),
            reason=reason,
        )


def approval_key(payment: Payment, key: str) -> str:
    """Return the key of an operation's request for approval. Without the payment, keys are not unique."""
    return f"{key}-{payment.pk}"


def _voidable(available: Available) -> Money:
    return available.authorised if available.can_be_voided else Money(0, available.authorised.currency)


REQUESTS = (
    Request(
        Operation.Kind.CAPTURE,
        "Capture",
        "The provider is asked to take this much of the reserved money.",
        lambda available: available.capturable,
        actions.request_capture,
    ),
    Request(
        Operation.Kind.VOID,
        "Void",
        "The provider is asked to release all of the reserved money. Nothing can be taken afterwards.",
        _voidable,
        actions.request_void,
        has_amount=False,
    ),
    Request(
        Operation.Kind.REFUND,
        "Refund",
        "The provider is asked to give this much back to the shopper. It cannot be called back.",
        lambda available: available.refundable,
        actions.request_refund,
    ),
)


class OperatingAdmin(ReadOnlyAdminWithActions):
    """An admin that adds pages to request operations to the page of a payment."""

    def get_urls(self) -> list[Any]:
        pages = [self.page(wanted.kind, self.operation_view, wanted) for wanted in REQUESTS]
        return [*pages, *super().get_urls()]

    def tools(self, request: HttpRequest, row: Payment) -> list[Tool]:
        available = actions.available(row.reference)
        offered = waiting_tools(request, row)
        offered += [
            Tool(wanted.label, self.address(wanted.kind, row))
            for wanted in REQUESTS
            if request.user.has_perm(wanted.permission) and wanted.left(available).minor
        ]
        return [*offered, *super().tools(request, row)]

    def operation_view(self, wanted: Request, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form, then the page to confirm it. If its button was pressed, request the operation."""
        payment = self.row_for(request, object_id, request.user.has_perm(wanted.permission))
        if payment is None:
            return self.missing(request, object_id)
        if "confirmed" not in request.POST:
            return self._answer_request(wanted, request, payment)
        with transaction.atomic():
            # Without the lock, others could request a part of ``left`` before this operation is requested.
            locked_payment(payment.reference)
            return self._answer_request(wanted, request, payment)

    def _answer_request(self, wanted: Request, request: HttpRequest, payment: Payment) -> HttpResponse:
        left = wanted.left(actions.available(payment.reference))
        form = OperationForm(
            request.POST if request.method == "POST" else None,
            payment=payment,
            left=left,
            has_amount=wanted.has_amount,
        )
        is_complete = form.is_valid()
        if not left.minor and not form.is_repeat:
            message = f"{wanted.label}: nothing is left for it. Nothing was requested."
            return self.back(request, payment, messages.ERROR, message)
        if is_complete and "confirmed" in request.POST:
            return self._carry_out(wanted, request, payment, form)
        template = "admin/payments/payment/operation.html"
        if is_complete and "change" not in request.POST:
            template = "admin/payments/payment/confirm_operation.html"
        return self._show(wanted, request, payment, form, template)

    def _carry_out(
        self, wanted: Request, request: HttpRequest, payment: Payment, form: OperationForm
    ) -> HttpResponse:
        try:
            if self._needs_approval(wanted, payment, form):
                proposal = wanted.proposal(
                    payment,
                    form.cleaned_data["amount"],
                    key=form.idempotency_key,
                    left=form.left,
                    reason=form.cleaned_data["reason"],
                )
                return ask_for_approval(request, proposal)
            operation = self._ask(wanted, request, payment, form)
        except DuplicateRequest:
            self.message_user(request, "That form was used already. Here is a new one.", messages.ERROR)
            return HttpResponseRedirect(self.address(wanted.kind, payment))
        except OperationRejected as error:
            field = "amount" if isinstance(error, AmountNotAvailable) and wanted.has_amount else None
            form.add_error(field, f"Nothing was requested. {error}")
            return self._show(wanted, request, payment, form, "admin/payments/payment/operation.html")
        what = f"{wanted.label} of {money_text(operation.amount)}, {operation.reference}"
        if form.is_repeat:
            return self.back(request, payment, messages.INFO, f"{what}: had been requested before, once.")
        return self.back(request, payment, messages.SUCCESS, f"{what}: requested. See below how it goes.")

    def _needs_approval(self, wanted: Request, payment: Payment, form: OperationForm) -> bool:
        return wanted.needs_approval(payment, form.cleaned_data.get("amount"), form.idempotency_key)

    def _ask(
        self, wanted: Request, request: HttpRequest, payment: Payment, form: OperationForm
    ) -> OperationView:
        return request_operation(
            request,
            wanted,
            payment,
            amount=form.cleaned_data["amount"] if wanted.has_amount else None,
            key=form.idempotency_key,
            reason=form.cleaned_data["reason"],
        )

    def _show(
        self, wanted: Request, request: HttpRequest, payment: Payment, form: OperationForm, template: str
    ) -> HttpResponse:
        amount = getattr(form, "cleaned_data", {}).get("amount", form.left)
        context = {
            **{"wanted": wanted, "form": form, "left": form.left, "amount": amount},
            "asks": form.is_valid() and self._needs_approval(wanted, payment, form),
            "facts": list(money_facts(payment)),
        }
        return self.show(request, template, payment, f"{wanted.label}: {payment.order_reference}", context)


def request_operation(
    request: HttpRequest, wanted: Request, payment: Payment, *, amount: Money | None, key: str, reason: str
) -> OperationView:
    """Request an operation for a member of staff and record it, once for each key, in one transaction.

    Single operations and bulk operations are requested here. Raises the errors of
    ``actions.request_capture``.
    """
    ask = wanted.ask if amount is None else partial(wanted.ask, amount=amount)
    with transaction.atomic():
        view = ask(payment.reference, idempotency_key=key, by=request.user.get_username(), reason=reason)
        operation = Operation.objects.get(reference=view.reference)
        # No other process can write this entry at the same time, because the payment is locked.
        if not entries_about(operation).exists():
            what = f"{wanted.label} of {localised_money(view.amount)}"
            details = Details(reason, after={"state": str(operation.state)})
            note(request, str(wanted.kind), what, subject_of(operation), details)
    return view
