"""The pages on which staff settle a capture, void or refund: the facts, a decision, its confirmation."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from checkout.backoffice.display.facts import FactLine, order_facts
from checkout.backoffice.display.wording import IF_IT_ARRIVES_AFTER_ALL, IF_IT_DID_ARRIVE
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool
from checkout.backoffice.settling.evidence import evidence_of
from checkout.backoffice.settling.settling_form import SettlementForm
from checkout.errors import OperationRejected
from checkout.payments import actions
from checkout.payments.calls import moves_once
from checkout.payments.checkout_messages import Fate, OperationFound
from checkout.payments.models import Operation, ProviderCall, Saga
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.payments.sagas.settlement.operation import (
    TO_BE_SETTLED,
    TO_BE_WITHDRAWN,
    is_doubted,
    obstacle,
)
from checkout.states import PaymentState

PERMISSION = "payments.settle_operation"
LABEL, WITHDRAW = "Settle", "Withdraw"


def settling_tools(among: QuerySet[Operation], user: Any) -> list[Tool]:
    """Return links to the pages on which ``user`` may settle or withdraw operations ``among`` these."""
    if not (user.has_perm(PERMISSION) and user.has_perm("payments.view_operation")):
        return []
    return [
        Tool(f"{_label_of(is_at_work=each.is_at_work)} {each.kind} of {each.amount}…", _address(each))
        for each in _to_be_decided(among).order_by("pk")
    ]


def _to_be_decided(among: QuerySet[Operation]) -> QuerySet[Any]:
    """Return the operations that staff may settle, or withdraw while the flow ``is_at_work``."""
    is_at_work = ExpressionWrapper(TO_BE_WITHDRAWN, BooleanField())
    return among.filter(TO_BE_SETTLED | TO_BE_WITHDRAWN).annotate(is_at_work=is_at_work)


def _label_of(*, is_at_work: bool) -> str:
    return WITHDRAW if is_at_work else LABEL


def _address(operation: Operation) -> str:
    return reverse("admin:payments_operation_settle", args=[operation.pk])


class SettlingAdmin(ReadOnlyAdminWithActions):
    """An admin that adds the settling page to an operation's own page."""

    def get_urls(self) -> list[Any]:
        return [self.page("settle", self.settle_view), *super().get_urls()]

    def tools(self, request: HttpRequest, row: Operation) -> list[Tool]:
        label = _label(row) if request.user.has_perm(PERMISSION) else ""
        return [*([Tool(f"{label}…", _address(row))] if label else []), *super().tools(request, row)]

    def facts(self, row: Operation) -> Iterable[FactLine]:
        return order_facts(row.payment)

    def settle_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the evidence and the form, then the page to confirm it; settle when its button is pressed."""
        operation = self.row_for(request, object_id, request.user.has_perm(PERMISSION))
        if operation is None:
            return self.missing(request, object_id)
        saga = Saga.objects.filter(kind=operation.kind, key=operation.reference).first()
        label = _label(operation)
        if saga is None or not label:
            why = obstacle(operation, operation.attempt, saga, Fate.ARRIVED)
            return self._left(request, operation, messages.ERROR, f"Nothing was changed. {why}")
        form = SettlementForm(
            request.POST if request.method == "POST" else None,
            seen=seen_of_saga(saga),
            is_doubted=is_doubted(saga),
            is_at_work=label == WITHDRAW,
        )
        is_complete = form.is_valid()
        if is_complete and "confirmed" in request.POST:
            return self._settle(request, operation, form)
        if is_complete and "change" not in request.POST:
            why = obstacle(operation, operation.attempt, saga, form.fate)
            if not why:
                chosen = {"is_sent_again": not form.gives_up, "is_withdrawn": form.gives_up}
                return self._show(request, operation, form, "confirm_settlement.html", chosen)
            form.add_error("said", why)
        offered = {"is_sent_again": not form.is_at_work, "is_withdrawn": True}
        return self._show(request, operation, form, "settle.html", offered | evidence_of(operation, saga))

    def _settle(self, request: HttpRequest, operation: Operation, form: SettlementForm) -> HttpResponse:
        said = form.words[form.cleaned_data["said"]]
        try:
            with transaction.atomic():
                actions.settle_books(
                    OperationFound(operation=operation.reference, fate=form.fate),
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                    seen=form.cleaned_data["seen"],
                )
                self.log_change(request, operation, f"{_label_of(is_at_work=form.is_at_work)}: {said}")
        except OperationRejected as error:
            return self._left(request, operation, messages.WARNING, f"Nothing was changed. {error}")
        return self._left(request, operation, messages.SUCCESS, f"{said}. See below how it goes.")

    def _left(self, request: HttpRequest, operation: Operation, level: int, message: str) -> HttpResponse:
        text = f"{operation.get_kind_display()} of {operation.amount}: {message}"
        return self.to_payment(request, operation, level, text)

    def _show(
        self,
        request: HttpRequest,
        operation: Operation,
        form: SettlementForm,
        template: str,
        context: dict[str, Any],
    ) -> HttpResponse:
        context = {
            **context,
            "form": form,
            "label": _label_of(is_at_work=form.is_at_work),
            "said": form.words.get(form["said"].value() or "", ""),
            **({} if form.is_doubted else _warnings(operation)),
            "is_conflicted": operation.payment.state == PaymentState.CONFLICTED,
        }
        title = f"{_label_of(is_at_work=form.is_at_work)} {operation.kind} of {operation.amount}"
        return self.show(request, f"admin/payments/payment/{template}", operation, title, context)


def _label(operation: Operation) -> str:
    """Return what staff may do with the operation now; empty if nothing."""
    found = _to_be_decided(Operation.objects.filter(pk=operation.pk)).first()
    return _label_of(is_at_work=found.is_at_work) if found else ""


def _warnings(operation: Operation) -> dict[str, Any]:
    """Return the consequences of a wrong answer, and how the provider would treat a copy of the request."""
    call = ProviderCall.objects.filter(key=operation.reference).first()
    return {
        "warning": IF_IT_DID_ARRIVE[operation.kind],
        "warning_of_withdrawal": IF_IT_ARRIVES_AFTER_ALL[operation.kind],
        "is_recognised": call is not None and operation.kind != Operation.Kind.VOID and moves_once(call),
    }
