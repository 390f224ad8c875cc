"""Settle the claim of a notification: staff state that it is true or false."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from checkout.backoffice.display.facts import FactLine, order_facts
from checkout.backoffice.display.wording import BOOKED_AS, CLAIM_NOUNS, IF_IT_IS_SO
from checkout.backoffice.row_actions import Tool
from checkout.backoffice.settling.claim_evidence import evidence_of_claim
from checkout.backoffice.settling.claim_form import ClaimForm
from checkout.backoffice.settling.page import LABEL, PERMISSION, SettlingAdmin, Subject, impossible
from checkout.payments.checkout_messages import ClaimFound
from checkout.payments.models import Saga
from checkout.payments.sagas.asking import AskingData
from checkout.payments.sagas.settlement.claim import (
    CLAIM_TO_BE_SETTLED,
    obstacle,
    question_of,
    refund_claimed,
)
from checkout.payments.sagas.settlement.matter import seen_of_saga


def claim_tools(among: QuerySet[Saga], user: Any) -> list[Tool]:
    """Return links to the pages on which ``user`` may settle claims of the sagas in ``among``."""
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


def _noun(question: AskingData) -> str:
    return CLAIM_NOUNS.get(question.claim, question.claim)


def _consequence(saga: Saga, question: AskingData) -> str:
    is_made_after_all = refund_claimed(saga.attempt, question) is not None
    return "made_after_all" if is_made_after_all else question.claim


class ClaimSubject(Subject[ClaimForm]):
    """The claim of a notification, which a saga verifies."""

    question = "settle_claim.html"
    confirmation = "confirm_claim.html"
    label = LABEL

    def __init__(self, saga: Saga, question: AskingData) -> None:
        self._saga, self._question = saga, question
        self.title = f"{LABEL} {_noun(question)}"

    def form(self, posted: Any) -> ClaimForm:
        """See ``Subject``."""
        saga = self._saga
        return ClaimForm(posted, claim=self._question, attempt=saga.attempt, seen=seen_of_saga(saga))

    def obstacle_to(self, form: ClaimForm) -> str:
        """See ``Subject``."""
        return obstacle(self._saga, self._saga.attempt, is_true=form.is_true, amount=form.amount)

    def found(self, form: ClaimForm) -> ClaimFound:
        """See ``Subject``."""
        return form.found_of(self._saga.pk)

    def context(self, form: ClaimForm) -> dict[str, Any]:
        """See ``Subject``."""
        question = self._question
        return {
            "noun": _noun(question),
            "booked_as": BOOKED_AS.get(question.claim, ""),
            "if_it_is_so": IF_IT_IS_SO.get(_consequence(self._saga, question), IF_IT_IS_SO[""]),
            "order_code": self._saga.attempt.order_code,
        }

    def evidence(self, form: ClaimForm) -> dict[str, Any]:
        """See ``Subject``."""
        return evidence_of_claim(self._saga, self._question)

    def consequences(self, form: ClaimForm) -> dict[str, Any]:
        """See ``Subject``."""
        return {"amount": form.amount}


class ClaimSettlingAdmin(SettlingAdmin):
    """An admin of sagas, whose claims staff may settle."""

    def subject_of(self, request: HttpRequest, row: Saga) -> ClaimSubject:
        """See ``SettlingAdmin``."""
        question = question_of(row)
        why = obstacle(row, row.attempt, is_true=False, amount=None)
        if question is None or why:
            raise impossible(LABEL if question is None else f"{LABEL} {_noun(question)}", why)
        return ClaimSubject(row, question)

    def facts(self, row: Saga) -> Iterable[FactLine]:
        return order_facts(row.payment)
