"""The page on which staff settle an open question: the evidence, a form, and its confirmation.

A question has one of three subjects: an operation, a notification's claim, and the figures of an attempt.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from checkout.audit.log import Details
from checkout.backoffice.approvals.asking import ask_for_approval, key_of
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions
from checkout.backoffice.settling.decision_form import DecisionForm
from checkout.errors import OperationRejected
from checkout.payments import actions
from checkout.payments.actions.staff.approvals import SETTLE, Proposal, needs_approval
from checkout.payments.checkout_messages import Found
from checkout.payments.models import Payment
from checkout.payments.models.approval import Matter

PERMISSION = "payments.settle_operation"
LABEL = "Settle"
TEMPLATES = "admin/payments/payment"

Form = TypeVar("Form", bound=DecisionForm)


class Subject(ABC, Generic[Form]):
    """The subject of an open question, which staff may settle.

    ``question`` and ``confirmation`` are the templates of the two pages. ``label`` names the action, and
    ``title`` the action and the subject.
    """

    question: ClassVar[str]
    confirmation: ClassVar[str]
    label: str
    title: str

    @abstractmethod
    def form(self, posted: Any) -> Form:
        """Return the form, with the ``posted`` values if there are any."""

    @abstractmethod
    def obstacle_to(self, form: Form) -> str:
        """Return the reason why the complete ``form`` cannot be carried out; empty if it can."""

    @abstractmethod
    def found(self, form: Form) -> Found:
        """Return the findings of staff in the complete ``form``."""

    @abstractmethod
    def context(self, form: Form) -> dict[str, Any]:
        """Return the context that the templates of both pages need."""

    @abstractmethod
    def evidence(self, form: Form) -> dict[str, Any]:
        """Return the further context of the page with the form."""

    def consequences(self, form: Form) -> dict[str, Any]:
        """Return the further context of the page with the confirmation."""
        return {}


def impossible(title: str, why: str) -> OperationRejected:
    """Return the error that the action ``title`` is not possible now, because of ``why``."""
    return OperationRejected(f"{title}: Nothing was changed. {why}")


def _proposal(
    request: HttpRequest, payment: Payment, subject: Subject[Any], form: DecisionForm, text: str
) -> Proposal:
    found, seen = msgspec.to_builtins(subject.found(form)), form.cleaned_data["seen"]
    reason = form.cleaned_data["reason"]
    return Proposal(
        merchant=payment.merchant,
        payment=payment,
        matter=Matter.SETTLEMENT,
        action=SETTLE,
        what=text,
        key=key_of("settle", [request.user.pk, payment.reference, found, seen, reason]),
        content={"found": found},
        seen=seen,
        reason=reason,
    )


class SettlingAdmin(ReadOnlyAdminWithActions):
    """An admin that adds the settling page to the page of a row."""

    def subject_of(self, request: HttpRequest, row: Any) -> Subject[Any]:
        """Return the subject that can be settled on the page of ``row``.

        Raises ``OperationRejected`` with the title and the reason if nothing can be settled now.
        """
        raise NotImplementedError

    def get_urls(self) -> list[Any]:
        return [self.page("settle", self.settle_view), *super().get_urls()]

    def settle_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the evidence and the form, then the page to confirm it.

        If its button was pressed, settle the subject.
        """
        row = self.row_for(request, object_id, request.user.has_perm(PERMISSION))
        if row is None:
            return self.missing(request, object_id)
        try:
            subject = self.subject_of(request, row)
        except OperationRejected as error:
            return self.to_payment(request, row, messages.ERROR, str(error))
        form = subject.form(request.POST if request.method == "POST" else None)
        is_complete = form.is_valid()
        if is_complete and "confirmed" in request.POST:
            return self._settle(request, row, subject, form)
        if is_complete and "change" not in request.POST:
            why = subject.obstacle_to(form)
            if not why:
                more = subject.consequences(form)
                return self._page(request, row, subject, form, subject.confirmation, more)
            form.add_error(form.decisive_field, why)
        return self._page(request, row, subject, form, subject.question, subject.evidence(form))

    def _settle(
        self, request: HttpRequest, row: Any, subject: Subject[Any], form: DecisionForm
    ) -> HttpResponse:
        text = f"{subject.title}: {form.decision}"
        try:
            with transaction.atomic():
                payment = row if isinstance(row, Payment) else row.payment
                if needs_approval(payment.merchant_id, Matter.SETTLEMENT):
                    proposal = _proposal(request, payment, subject, form, text)
                    return ask_for_approval(request, proposal)
                actions.settle_books(
                    subject.found(form),
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                    seen=form.cleaned_data["seen"],
                )
                self.note(request, row, "settle", text, Details(why=form.cleaned_data["reason"]))
        except OperationRejected as error:
            refusal = impossible(subject.title, str(error))
            return self.to_payment(request, row, messages.WARNING, str(refusal))
        return self.to_payment(request, row, messages.SUCCESS, f"{text}. See below how it goes.")

    def _page(
        self,
        request: HttpRequest,
        row: Any,
        subject: Subject[Any],
        form: DecisionForm,
        template: str,
        more: dict[str, Any],
    ) -> HttpResponse:
        context = {"form": form, "label": subject.label, **subject.context(form), **more}
        return self.show(request, f"{TEMPLATES}/{template}", row, subject.title, context)
