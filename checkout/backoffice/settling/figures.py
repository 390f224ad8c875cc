"""Settle a payment by figures, which staff copy from the provider's books about one attempt."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from checkout.backoffice.display.facts import order_facts
from checkout.backoffice.row_actions import Tool
from checkout.backoffice.settling.figures_evidence import consequences, evidence_of_payment
from checkout.backoffice.settling.figures_form import FiguresForm
from checkout.backoffice.settling.page import LABEL, PERMISSION, SettlingAdmin, Subject, impossible
from checkout.payments.books.figures import reckon
from checkout.payments.checkout_messages import FiguresFound
from checkout.payments.models import Attempt, Payment
from checkout.payments.sagas.settlement.matter import seen_of_payment
from checkout.payments.sagas.settlement.payment import obstacle
from checkout.payments.sagas.settlement.settleable import (
    NOTHING_TO_SETTLE,
    attempts_to_settle,
    needs_figures,
    obstacle_to_settling,
)
from checkout.payments.totals import operations_of
from checkout.states import PaymentState

TITLE = f"{LABEL} by figures"


class FiguresSubject(Subject[FiguresForm]):
    """The figures of the provider's books for one attempt."""

    question = "settle_payment.html"
    confirmation = "confirm_payment.html"
    label = title = TITLE

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ours = operations_of(attempt)
        self._is_healthy = not needs_figures(attempt.payment)

    def form(self, posted: Any) -> FiguresForm:
        """See ``Subject``."""
        return FiguresForm(
            posted,
            attempt=self._attempt,
            ours=self._ours,
            seen=seen_of_payment(self._attempt.payment),
            is_healthy=self._is_healthy,
        )

    def obstacle_to(self, form: FiguresForm) -> str:
        """See ``Subject``."""
        why = obstacle(self._attempt, form.theirs)
        return f"Nothing was changed. {why}" if why else ""

    def found(self, form: FiguresForm) -> FiguresFound:
        """See ``Subject``."""
        return form.theirs.found_for(self._attempt.order_code)

    def context(self, form: FiguresForm) -> dict[str, Any]:
        """See ``Subject``.

        The facts omit the amount and the state, because staff enter figures beside them.
        """
        return {
            "order_code": self._attempt.order_code,
            "facts": list(order_facts(self._attempt.payment)),
        }

    def evidence(self, form: FiguresForm) -> dict[str, Any]:
        """See ``Subject``."""
        return evidence_of_payment(self._attempt, self._ours) | {"is_healthy": self._is_healthy}

    def consequences(self, form: FiguresForm) -> dict[str, Any]:
        """See ``Subject``."""
        return consequences(self._attempt, form.theirs, reckon(self._attempt, form.theirs))


class PaymentSettlingAdmin(SettlingAdmin):
    """An admin of payments, which staff may settle by figures."""

    def subject_of(self, request: HttpRequest, row: Payment) -> FiguresSubject:
        """See ``SettlingAdmin``. The address may name an attempt of the payment."""
        attempt = _attempt(row, request.GET.get("attempt", ""))
        why = obstacle(attempt) if attempt else NOTHING_TO_SETTLE
        if attempt is None or why:
            raise impossible(TITLE, why)
        return FiguresSubject(attempt)

    def to_payment(self, request: HttpRequest, row: Payment, level: int, message: str) -> HttpResponse:
        """Redirect to the payment, which is ``row`` itself."""
        return self.back(request, row, level, message)

    def tools(self, request: HttpRequest, row: Payment) -> list[Tool]:
        settling, others = self._settling(request, row), super().tools(request, row)
        is_first = row.state == PaymentState.CONFLICTED
        return [*settling, *others] if is_first else [*others, *settling]

    def _settling(self, request: HttpRequest, payment: Payment) -> list[Tool]:
        attempts = attempts_to_settle(payment) if request.user.has_perm(PERMISSION) else []
        is_conflicted = payment.state == PaymentState.CONFLICTED
        if not attempts or (not is_conflicted and obstacle_to_settling(attempts[0])):
            return []
        address = self.address("settle", payment)
        if len(attempts) == 1:
            return [Tool(f"{TITLE}…", address)]
        return [
            Tool(f"{TITLE} of attempt {each.number}…", f"{address}?{urlencode({'attempt': each.number})}")
            for each in attempts
        ]


def _attempt(payment: Payment, number: str) -> Attempt | None:
    """Return the attempt with this number if it may be settled; without a number, the first such attempt."""
    may_be_settled = attempts_to_settle(payment)
    found = next((each for each in may_be_settled if number in ("", str(each.number))), None)
    if found is not None:
        found.payment = payment
    return found
