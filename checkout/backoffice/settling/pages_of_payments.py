"""The pages on which staff settle a payment by figures: the facts, the provider's books, a confirmation."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from checkout.backoffice.display.facts import order_facts
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool
from checkout.backoffice.settling.pages_of_operations import LABEL, PERMISSION
from checkout.backoffice.settling.payment_evidence import consequences, evidence_of_payment
from checkout.backoffice.settling.payment_form import FiguresForm
from checkout.errors import OperationRejected
from checkout.payments import actions
from checkout.payments.models import Attempt, Payment
from checkout.payments.sagas.settlement.matter import seen_of_payment
from checkout.payments.sagas.settlement.payment import obstacle
from checkout.payments.sagas.settlement.reckoning import reckon
from checkout.payments.sagas.settlement.settleable import (
    NOTHING_TO_SETTLE,
    attempts_to_settle,
    needs_figures,
    obstacle_to_settling,
)
from checkout.payments.totals import operations_of
from checkout.states import PaymentState

TITLE = f"{LABEL} by figures"
TEMPLATES = "admin/payments/payment"


class PaymentSettlingAdmin(ReadOnlyAdminWithActions):
    """An admin that adds the page for settling a payment by figures to the page of that payment."""

    def get_urls(self) -> list[Any]:
        return [self.page("settle", self.settle_view), *super().get_urls()]

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

    def settle_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the evidence and the form, then the page to confirm it; settle when its button is pressed."""
        payment = self.row_for(request, object_id, request.user.has_perm(PERMISSION))
        if payment is None:
            return self.missing(request, object_id)
        attempt = _attempt(payment, request.GET.get("attempt", ""))
        why = obstacle(attempt) if attempt else NOTHING_TO_SETTLE
        if attempt is None or why:
            return self.back(request, payment, messages.ERROR, f"{TITLE}: Nothing was changed. {why}")
        ours = operations_of(attempt)
        is_healthy = not needs_figures(payment)
        form = FiguresForm(
            request.POST if request.method == "POST" else None,
            attempt=attempt,
            ours=ours,
            seen=seen_of_payment(payment),
            is_healthy=is_healthy,
        )
        is_complete = form.is_valid()
        if is_complete and "confirmed" in request.POST:
            return self._settle_payment(request, attempt, form)
        if is_complete and "change" not in request.POST:
            why = obstacle(attempt, form.theirs)
            if not why:
                reckoning = reckon(attempt, form.theirs)
                context = consequences(attempt, form.theirs, reckoning)
                return self._page(request, attempt, form, "confirm_payment.html", context)
            form.add_error(None, f"Nothing was changed. {why}")
        context = evidence_of_payment(attempt, ours) | {"is_healthy": is_healthy}
        return self._page(request, attempt, form, "settle_payment.html", context)

    def _settle_payment(self, request: HttpRequest, attempt: Attempt, form: FiguresForm) -> HttpResponse:
        said, payment = form.theirs.in_words, attempt.payment
        try:
            with transaction.atomic():
                actions.settle_books(
                    form.theirs.found_for(attempt.order_code),
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                    seen=form.cleaned_data["seen"],
                )
                self.log_change(request, payment, f"{TITLE}: {said}")
        except OperationRejected as error:
            return self.back(request, payment, messages.WARNING, f"{TITLE}: Nothing was changed. {error}")
        return self.back(request, payment, messages.SUCCESS, f"{TITLE}: {said}. See below how it goes.")

    def _page(
        self,
        request: HttpRequest,
        attempt: Attempt,
        form: FiguresForm,
        template: str,
        context: dict[str, Any],
    ) -> HttpResponse:
        context = {
            **context,
            **{"form": form, "label": TITLE, "order_code": attempt.order_code},
            # Without the payment's amount and state, beside the sums and the state that are entered here.
            "facts": list(order_facts(attempt.payment)),
        }
        return self.show(request, f"{TEMPLATES}/{template}", attempt.payment, TITLE, context)


def _attempt(payment: Payment, number: str) -> Attempt | None:
    """Return the attempt with this number if it may be settled; without a number, the first such attempt."""
    may_be_settled = attempts_to_settle(payment)
    found = next((each for each in may_be_settled if number in ("", str(each.number))), None)
    if found is not None:
        found.payment = payment
    return found
