"""The pages on which staff settle a conflicted payment: the facts, the provider's books, a confirmation."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from checkout.backoffice.display.facts import order_facts
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool
from checkout.backoffice.settling.contradiction_evidence import consequences, evidence_of_contradiction
from checkout.backoffice.settling.contradiction_form import ContradictionForm
from checkout.backoffice.settling.pages_of_operations import LABEL, PERMISSION
from checkout.errors import OperationRejected
from checkout.payments import actions
from checkout.payments.models import Attempt, Payment
from checkout.payments.sagas.settlement.contradiction import attempts_to_settle
from checkout.payments.sagas.settlement.payment import obstacle, seen_now
from checkout.payments.sagas.settlement.reckoning import reckon
from checkout.payments.totals import operations_of
from checkout.states import PaymentState

TITLE = f"{LABEL} contradiction"
TEMPLATES = "admin/payments/payment"


class ContradictionSettlingAdmin(ReadOnlyAdminWithActions):
    """An admin that adds the page for settling a contradiction to the page of a payment."""

    def get_urls(self) -> list[Any]:
        return [self.page("settle", self.settle_view), *super().get_urls()]

    def tools(self, request: HttpRequest, row: Payment) -> list[Tool]:
        return [*self._settling(request, row), *super().tools(request, row)]

    def _settling(self, request: HttpRequest, payment: Payment) -> list[Tool]:
        if payment.state != PaymentState.CONFLICTED or not request.user.has_perm(PERMISSION):
            return []
        attempts = attempts_to_settle(payment)
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
        why = obstacle(attempt) if attempt else "It contradicts nothing."
        if attempt is None or why:
            return self.back(request, payment, messages.ERROR, f"{TITLE}: Nothing was changed. {why}")
        ours = operations_of(attempt)
        form = ContradictionForm(
            request.POST if request.method == "POST" else None,
            attempt=attempt,
            ours=ours,
            seen=seen_now(payment),
        )
        is_complete = form.is_valid()
        if is_complete and "confirmed" in request.POST:
            return self._settle_payment(request, attempt, form)
        if is_complete and "change" not in request.POST:
            why = obstacle(attempt, form.theirs)
            if not why:
                reckoning = reckon(attempt, form.theirs)
                context = consequences(attempt, form.theirs, reckoning)
                return self._page(request, attempt, form, "confirm_contradiction.html", context)
            form.add_error(None, f"Nothing was changed. {why}")
        context = evidence_of_contradiction(attempt, ours)
        return self._page(request, attempt, form, "settle_contradiction.html", context)

    def _settle_payment(
        self, request: HttpRequest, attempt: Attempt, form: ContradictionForm
    ) -> HttpResponse:
        said, payment = form.theirs.in_words, attempt.payment
        try:
            with transaction.atomic():
                actions.settle_payment(
                    payment.reference,
                    form.theirs,
                    attempt=attempt.order_code,
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
        form: ContradictionForm,
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
    if payment.state != PaymentState.CONFLICTED:
        return None
    may_be_settled = attempts_to_settle(payment)
    found = next((each for each in may_be_settled if number in ("", str(each.number))), None)
    if found is not None:
        found.payment = payment
    return found
