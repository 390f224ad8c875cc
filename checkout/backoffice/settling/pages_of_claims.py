"""The pages on which staff settle a notification's claim: the facts, a decision, its confirmation."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from checkout.backoffice.display.facts import FactLine, order_facts
from checkout.backoffice.display.wording import BOOKED_AS, CLAIM_NOUNS, IF_IT_IS_SO
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool
from checkout.backoffice.settling.claim_evidence import evidence_of_claim
from checkout.backoffice.settling.claim_form import ClaimForm
from checkout.backoffice.settling.pages_of_operations import LABEL, PERMISSION
from checkout.errors import OperationRejected
from checkout.payments import actions
from checkout.payments.models import Saga
from checkout.payments.sagas.settlement.claim import (
    CLAIM_TO_BE_SETTLED,
    obstacle,
    question_of,
    refund_claimed,
)
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.payments.sagas.settlement.verification import VerificationData


def claim_tools(among: QuerySet[Saga], user: Any) -> list[Tool]:
    """Return links to the pages on which ``user`` may settle the claims of the sagas ``among`` these."""
    if not (user.has_perm(PERMISSION) and user.has_perm("payments.view_saga")):
        return []
    questions = [(each, question_of(each)) for each in among.filter(CLAIM_TO_BE_SETTLED).order_by("pk")]
    return [
        Tool(f"{LABEL} {_noun(question)}…", _address(saga))
        for saga, question in questions
        if question is not None
    ]


def _address(saga: Saga) -> str:
    return reverse("admin:payments_saga_settle", args=[saga.pk])


def _noun(question: VerificationData) -> str:
    return CLAIM_NOUNS.get(question.claim, question.claim)


def _consequence(saga: Saga, question: VerificationData) -> str:
    is_made_after_all = refund_claimed(saga.attempt, question) is not None
    return "made_after_all" if is_made_after_all else question.claim


class ClaimSettlingAdmin(ReadOnlyAdminWithActions):
    """An admin that adds the page for settling a claim to the page of the saga that verifies it."""

    def get_urls(self) -> list[Any]:
        return [self.page("settle", self.settle_view), *super().get_urls()]

    def facts(self, row: Saga) -> Iterable[FactLine]:
        return order_facts(row.payment)

    def settle_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the evidence and the form, then the page to confirm it; settle when its button is pressed."""
        saga = self.row_for(request, object_id, request.user.has_perm(PERMISSION))
        if saga is None:
            return self.missing(request, object_id)
        question = question_of(saga)
        why = obstacle(saga, saga.attempt, is_true=False, amount=None)
        if question is None or why:
            return self.to_payment(request, saga, messages.ERROR, f"Nothing was changed. {why}")
        form = ClaimForm(
            request.POST if request.method == "POST" else None,
            question=question,
            attempt=saga.attempt,
            seen=seen_of_saga(saga),
        )
        is_complete = form.is_valid()
        if is_complete and "confirmed" in request.POST:
            return self._settle(request, saga, question, form)
        if is_complete and "change" not in request.POST:
            why = obstacle(saga, saga.attempt, is_true=form.is_true, amount=form.amount)
            if not why:
                context = {"amount": form.amount}
                return self._show(request, saga, question, form, "confirm_claim.html", context)
            form.add_error("amount" if form.amount else "said", why)
        return self._show(
            request, saga, question, form, "settle_claim.html", evidence_of_claim(saga, question)
        )

    def _settle(
        self, request: HttpRequest, saga: Saga, question: VerificationData, form: ClaimForm
    ) -> HttpResponse:
        said = f"{form.in_words}{f' ({form.amount})' if form.amount else ''}"
        about = f"{LABEL} {_noun(question)}"
        try:
            with transaction.atomic():
                actions.settle_books(
                    form.found_of(saga.pk),
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                    seen=form.cleaned_data["seen"],
                )
                self.log_change(request, saga, f"{about}: {said}")
        except OperationRejected as error:
            return self.to_payment(request, saga, messages.WARNING, f"{about}: Nothing was changed. {error}")
        return self.to_payment(request, saga, messages.SUCCESS, f"{about}: {said}. See below how it goes.")

    def _show(
        self,
        request: HttpRequest,
        saga: Saga,
        question: VerificationData,
        form: ClaimForm,
        template: str,
        context: dict[str, Any],
    ) -> HttpResponse:
        context = {
            **context,
            "form": form,
            "label": LABEL,
            "noun": _noun(question),
            "booked_as": BOOKED_AS.get(question.claim, ""),
            "if_it_is_so": IF_IT_IS_SO.get(_consequence(saga, question), IF_IT_IS_SO[""]),
            "order_code": saga.attempt.order_code,
        }
        title = f"{LABEL} {_noun(question)}"
        return self.show(request, f"admin/payments/payment/{template}", saga, title, context)
