"""Settle a capture, void or refund: it counts as done, is sent again, or is withdrawn."""

from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from checkout.backoffice.display.facts import FactLine, order_facts
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.wording import IF_IT_ARRIVES_AFTER_ALL, IF_IT_DID_ARRIVE
from checkout.backoffice.row_actions import Tool
from checkout.backoffice.settling.evidence import evidence_of
from checkout.backoffice.settling.operation_form import OperationForm
from checkout.backoffice.settling.page import LABEL, PERMISSION, SettlingAdmin, Subject, impossible
from checkout.localised_money import localised_money
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

WITHDRAW = "Withdraw"


def settling_tools(among: QuerySet[Operation], user: Any) -> list[Tool]:
    """Return links to the pages on which ``user`` may settle or withdraw operations of ``among``."""
    if not (user.has_perm(PERMISSION) and user.has_perm("payments.view_operation")):
        return []
    return [
        Tool(
            f"{_label_of(is_at_work=each.is_at_work)} {each.kind} of {money_text(each.amount)}…",
            _address(each),
        )
        for each in _to_be_decided(among).order_by("pk")
    ]


def _to_be_decided(among: QuerySet[Operation]) -> QuerySet[Any]:
    """Return the operations that staff may settle or, while their flow ``is_at_work``, withdraw."""
    is_at_work = ExpressionWrapper(TO_BE_WITHDRAWN, BooleanField())
    return among.filter(TO_BE_SETTLED | TO_BE_WITHDRAWN).annotate(is_at_work=is_at_work)


def _label_of(*, is_at_work: bool) -> str:
    return WITHDRAW if is_at_work else LABEL


def _address(operation: Operation) -> str:
    return reverse("admin:payments_operation_settle", args=[operation.pk])


class OperationSubject(Subject[OperationForm]):
    """One operation. While its flow runs, staff can only withdraw it."""

    question = "settle.html"
    confirmation = "confirm_settlement.html"

    def __init__(self, operation: Operation, saga: Saga, label: str) -> None:
        self._operation, self._saga = operation, saga
        self.label, self.title = label, _title(label, operation)

    def form(self, posted: Any) -> OperationForm:
        """See ``Subject``."""
        return OperationForm(
            posted,
            seen=seen_of_saga(self._saga),
            is_doubted=is_doubted(self._saga),
            is_at_work=self.label == WITHDRAW,
        )

    def obstacle_to(self, form: OperationForm) -> str:
        """See ``Subject``."""
        return obstacle(self._operation, self._operation.attempt, self._saga, form.fate)

    def found(self, form: OperationForm) -> OperationFound:
        """See ``Subject``."""
        return OperationFound(operation=self._operation.reference, fate=form.fate)

    def context(self, form: OperationForm) -> dict[str, Any]:
        """See ``Subject``."""
        is_conflicted = self._operation.payment.state == PaymentState.CONFLICTED
        warnings = {} if form.is_doubted else _warnings(self._operation)
        return {**warnings, "is_conflicted": is_conflicted}

    def evidence(self, form: OperationForm) -> dict[str, Any]:
        """See ``Subject``."""
        offered = {"is_sent_again": not form.is_at_work, "is_withdrawn": True}
        return offered | evidence_of(self._operation, self._saga)

    def consequences(self, form: OperationForm) -> dict[str, Any]:
        """See ``Subject``."""
        return {"is_sent_again": not form.gives_up, "is_withdrawn": form.gives_up}


class OperationSettlingAdmin(SettlingAdmin):
    """An admin of operations, which staff may settle."""

    def subject_of(self, request: HttpRequest, row: Operation) -> OperationSubject:
        """See ``SettlingAdmin``."""
        saga = Saga.objects.filter(kind=row.kind, key=row.reference).first()
        label = _label(row)
        if saga is None or not label:
            why = obstacle(row, row.attempt, saga, Fate.ARRIVED)
            raise impossible(_title(LABEL, row), why)
        return OperationSubject(row, saga, label)

    def tools(self, request: HttpRequest, row: Operation) -> list[Tool]:
        label = _label(row) if request.user.has_perm(PERMISSION) else ""
        return [*([Tool(f"{label}…", _address(row))] if label else []), *super().tools(request, row)]

    def facts(self, row: Operation) -> Iterable[FactLine]:
        return order_facts(row.payment)


def _title(label: str, operation: Operation) -> str:
    return f"{label} {operation.kind} of {localised_money(operation.amount)}"


def _label(operation: Operation) -> str:
    """Return the name of the action that staff may take on the operation now; empty if there is none."""
    found = _to_be_decided(Operation.objects.filter(pk=operation.pk)).first()
    return _label_of(is_at_work=found.is_at_work) if found else ""


def _warnings(operation: Operation) -> dict[str, Any]:
    """Return the consequences of wrong answers, and if the provider would recognise a repeated request."""
    call = ProviderCall.objects.filter(key=operation.reference).first()
    return {
        "warning": IF_IT_DID_ARRIVE[operation.kind],
        "warning_of_withdrawal": IF_IT_ARRIVES_AFTER_ALL[operation.kind],
        "is_recognised": call is not None and operation.kind != Operation.Kind.VOID and moves_once(call),
    }
