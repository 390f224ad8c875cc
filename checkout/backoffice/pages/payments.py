"""Payments: a list to search, and a page with the whole history of each."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone

from checkout.backoffice.attention import page as attention
from checkout.backoffice.attention.waiting_for_staff import attention_page
from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.bounded_search import MOST_WORDS, BoundedList
from checkout.backoffice.display.facts import FactLine, payment_facts
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.values import NOTHING, badge, humanised, lines_text, short_time, state_text
from checkout.backoffice.home.figures import visible_figures
from checkout.backoffice.integration.events import events_tool
from checkout.backoffice.pages.attempts import card_name
from checkout.backoffice.pages.payment_context import last_attempt, payment_context
from checkout.backoffice.requests.bulk import WithBulk
from checkout.backoffice.requests.operation_pages import OperatingAdmin
from checkout.backoffice.rights.merchants import visible
from checkout.backoffice.row_actions import Tool, Verb
from checkout.backoffice.saved_views import WithSavedViews
from checkout.backoffice.search import payment_named, search_of, search_payments
from checkout.backoffice.settling.claims import claim_tools
from checkout.backoffice.settling.figures import PaymentSettlingAdmin
from checkout.backoffice.settling.operations import settling_tools
from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.payments import actions
from checkout.payments.models import Attempt, Payment
from checkout.payments.models.figures import Figure
from checkout.states import PaymentState
from messaging import traces

CANCEL = Verb(
    name="cancel",
    label="Cancel payment",
    explanation=(
        "The payment can no longer be paid, and this cannot be undone. If the shopper is paying, or is at "
        "the bank's check, the provider's answer is waited for, and money that it holds by then is released. "
        "If the money is taken before that is known, the payment is paid."
    ),
    done="Cancelled, or about to be. The state of the payment says what came of it.",
    otherwise="the payment is paid, about to be paid, or has ended. Nothing was changed.",
    is_offered=lambda payment: payment.may_be_cancelled,
    carry_out=lambda payment, by, _: actions.cancel_payment(payment.reference, by=by),
)

REVIEW = Verb(
    name="review",
    label="Ask the provider again",
    explanation=(
        "The provider is asked what it holds for this payment. Where its word and our operations agree, the "
        "payment follows them; money that it took, gave back or released by itself is taken into our books. "
        "Where they do not agree, or it does not answer, nothing changes, and the page says why; what "
        "its books have can be settled then. Nothing is captured by itself afterwards."
    ),
    done="The provider is being asked. The page says what comes of it.",
    otherwise="only a conflicted payment can be settled so. Nothing was changed.",
    is_offered=lambda payment: payment.state == PaymentState.CONFLICTED,
    carry_out=lambda payment, by, why: actions.review_payment(payment.reference, by=by, reason=why),
    asks_why=True,
)

ACCEPT = Verb(
    name="accept",
    label="Accept without authentication",
    explanation=(
        "3-D Secure failed: the shopper's bank did not authenticate the shopper, and the payment was "
        "authorised nevertheless. If the shopper's bank takes the money back, you have to bear it. This "
        "changes nothing else: it only says that you have looked at the order, and that it may be delivered."
    ),
    done="Accepted. The payment's history says so.",
    otherwise="it was authenticated, accepted before, or nothing of it is kept. Nothing was changed.",
    is_offered=lambda payment: "unauthenticated" in attention.reasons(payment),
    carry_out=lambda payment, by, why: actions.accept_unauthenticated(payment.reference, by=by, reason=why),
    asks_why=True,
)


NOTE = Verb(
    name="note",
    label="Add a note",
    explanation="The note is shown on the payment's page, with your name and the time. It cannot be changed.",
    done="Noted.",
    otherwise="Nothing was noted.",
    is_offered=lambda payment: True,
    carry_out=lambda payment, by, why: actions.note_payment(payment, by=by, note=why),
    asks_why=True,
)


class StateFilter(admin.SimpleListFilter):
    """A filter by state, in words."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(state.value, state_text(state)) for state in PaymentState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class CurrencyFilter(admin.SimpleListFilter):
    """A filter by currency.

    The choices come from the hourly figures, a table much smaller than that of payments.
    """

    title = "currency"
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        counted = visible_figures(request.user).filter(name=Figure.CREATED).order_by("currency")
        used = {*counted.values_list("currency", flat=True).distinct(), request.GET.get("currency", "")}
        return [(currency, currency) for currency in sorted(used - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        return queryset.filter(currency=self.value()) if self.value() else queryset


class CreatedFilter(admin.DateFieldListFilter):
    """A filter by the day or month in which a payment was created."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        month = today.replace(day=1)
        last_month = (month - timedelta(days=1)).replace(day=1)
        yesterday = self._between("Yesterday", today - timedelta(days=1), today)
        every, *others = self.links
        self.links = (
            every,
            others[0],
            yesterday,
            *others[1:3],
            self._between("Last month", last_month, month),
        )
        self.title = "date"

    def _between(self, name: str, since: datetime, until: datetime) -> tuple[str, Any]:
        return name, {self.lookup_kwarg_since: str(since), self.lookup_kwarg_until: str(until)}


class PaymentList(BoundedList):
    """A list of payments. If a search finds nothing, the list shows the conditions of the search."""

    @property
    def looked_for(self) -> list[str]:
        """The conditions of the search, each in words; empty if there was no search."""
        if len(self.query.split()) > MOST_WORDS:
            return []
        try:
            return search_of(self.query).looked_for
        except OperationRejected:
            return []


@admin.register(Payment)
class PaymentAdmin(WithBulk, WithSavedViews, PaymentSettlingAdmin, OperatingAdmin):
    """The list of payments, and a page with the history and the actions of each."""

    verbs = (CANCEL, REVIEW, ACCEPT, NOTE)
    change_form_template = "admin/payments/payment/change_form.html"
    list_display = (
        "when",
        "order_reference",
        "amount",
        "state_in_words",
        "card",
        "shopper_email",
        "merchant",
    )
    further_columns = ("reference", "description", "customer_reference", "refused_because", "changed")
    list_display_links = ("order_reference",)
    first_column = "order_reference"
    list_select_related = ("merchant",)
    list_filter = (
        attention.NeedsAttentionFilter,
        StateFilter,
        ("created_at", CreatedFilter),
        "merchant",
        "attempts__provider_account",
        CurrencyFilter,
    )
    change_list_template = "admin/payments/payment/change_list.html"
    # `get_search_results` does the search. Django searches only if `search_fields` is not empty.
    search_fields = ("order_reference",)
    fields = (
        "refused_because",
        "merchant",
        "order_reference",
        "reference",
        "description",
        "ordered",
        "shopper_email",
        "captures_automatically",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("refused_because", "ordered")
    export_columns = MappingProxyType(
        {
            "created": lambda payment: payment.created_at,
            "order": lambda payment: payment.order_reference,
            "reference": lambda payment: payment.reference,
            "merchant": lambda payment: payment.merchant.code,
            "state": lambda payment: payment.state,
            "amount": lambda payment: payment.amount.decimal,
            "minor": lambda payment: payment.amount_minor,
            "currency": lambda payment: payment.currency,
            "description": lambda payment: payment.description,
            "email": lambda payment: payment.shopper_email,
            "customer": lambda payment: payment.customer_reference,
            "card": lambda payment: card_name(last_attempt(payment)),
            "order_code": lambda payment: str(last_attempt(payment) or ""),
            "refused_because": lambda payment: payment.refusal_reason,
            "changed": lambda payment: payment.updated_at,
        }
    )

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the payment if the search names exactly one. Otherwise list the payments found."""
        query = request.GET.get(SEARCH_VAR, "") if request.GET.keys() == {SEARCH_VAR} else ""
        is_search = query and self.has_view_permission(request)
        named = payment_named(visible(Payment.objects.all(), request.user), query) if is_search else None
        if named is not None:
            return HttpResponseRedirect(reverse("admin:payments_payment_change", args=[named]))
        return super().changelist_view(request, extra_context)

    def get_changelist(self, request: HttpRequest, **more: Any) -> type[PaymentList]:
        """See ``ModelAdmin``."""
        return PaymentList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Payment], search_term: str
    ) -> tuple[QuerySet[Payment], bool]:
        """Search by details that a caller knows. ``search.search_payments`` removes duplicates."""
        try:
            return search_payments(queryset, search_term), False
        except OperationRejected as error:
            self.message_user(request, f"{error} Nothing was searched for.", messages.ERROR)
            return queryset.none(), False

    def get_urls(self) -> list[Any]:
        attention_url = path(
            "attention/", self.admin_site.admin_view(attention_page), name="payments_payment_attention"
        )
        return [attention_url, *super().get_urls()]

    def tools(self, request: HttpRequest, row: Payment) -> list[Tool]:
        settling = (
            *settling_tools(row.operations.all(), request.user),
            *claim_tools(row.sagas.all(), request.user),
        )
        events = [events_tool(row)] if request.user.has_perm("payments.view_event") else []
        if conf.trace_url:
            trace = conf.trace_url.replace("{trace_id}", traces.trace_id_of(row.reference))
            events.append(Tool("Trace", trace))
        # The link to add a note is shown beside the notes instead.
        verbs = [tool for tool in super().tools(request, row) if tool.label != NOTE.label]
        return [*settling, *verbs, *events]

    def facts(self, row: Payment) -> Iterable[FactLine]:
        return payment_facts(row)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Payment | None = None,
    ) -> HttpResponse:
        """Add the summary and the history of the payment to the page."""
        if obj is not None:
            context.update(payment_context(obj, request.user))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        """Read the attempts, whose cards the list shows, for all rows at once."""
        attempts = Attempt.objects.select_related("provider_account")
        return super().get_queryset(request).prefetch_related(Prefetch("attempts", attempts))

    @admin.display(description="date", ordering="created_at")
    def when(self, payment: Payment) -> str:
        return short_time(payment.created_at)

    @admin.display(description="last change", ordering="updated_at")
    def changed(self, payment: Payment) -> str:
        return short_time(payment.updated_at)

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, payment: Payment) -> str:
        return money_text(payment.amount)

    @admin.display(description="state", ordering="state")
    def state_in_words(self, payment: Payment) -> str:
        return badge(payment.state)

    @admin.display(description="card")
    def card(self, payment: Payment) -> str:
        return card_name(last_attempt(payment))

    @admin.display(description="refused because")
    def refused_because(self, payment: Payment) -> str:
        return humanised(payment.refusal_reason) or NOTHING

    @admin.display(description="lines")
    def ordered(self, payment: Payment) -> str:
        """The quantity and the SKU of each article."""
        return lines_text(payment.lines)
