"""Requests for approval: their consequences, their author, and the decision of a second person."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join

from checkout.api.models import ApiKey
from checkout.backoffice.approvals import effects
from checkout.backoffice.approvals.asking import member
from checkout.backoffice.approvals.keys import maker
from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.display.facts import FactLine, merchant_text
from checkout.backoffice.display.values import NOTHING, badge, payment_page_link, short_time
from checkout.backoffice.integration.api_keys import PERMISSION as KEYS, secret_page
from checkout.backoffice.row_actions import FOR_COLLEAGUES, ReadOnlyAdminWithActions, Tool, Verb
from checkout.errors import OperationRejected
from checkout.payments.actions.staff import approvals
from checkout.payments.models import ApprovalRequest
from checkout.payments.models.approval import approved_and_not_done, waiting_for_approval

MAKE_KEY = "Make the key"
DECIDED = "it was decided meanwhile, or its time has passed. Nothing was changed."
DECISION = ("decided_by", "decided_at", "decision_reason", "outcome")
State = ApprovalRequest.State


def _by(name: str) -> approvals.Member:
    return member(User.objects.get(username=name))


def _approve(row: ApprovalRequest, by: str, _why: str) -> None:
    carry_out = effects.carry_out if effects.is_carried_out_at_once(row) else None
    approvals.approve(row.pk, _by(by), carry_out)


def _seen(row: ApprovalRequest) -> str:
    return str(row.state)


APPROVE = Verb(
    name="approve",
    label="Approve",
    explanation=(
        "What is described here is done at once, in the name of who has requested it. Approve it only if you "
        "would do it yourself. An API key is made by its requester, who sees the secret."
    ),
    done="Approved.",
    otherwise=DECIDED,
    is_offered=lambda row: row.is_waiting,
    carry_out=_approve,
    seen=_seen,
)
DECLINE = Verb(
    name="decline",
    label="Decline",
    explanation="What is described here is not done. It can be requested anew.",
    done="Declined. Nothing was done.",
    otherwise=DECIDED,
    is_offered=lambda row: row.is_waiting,
    carry_out=lambda row, by, why: approvals.decline(row.pk, _by(by), why),
    asks_why=True,
    reason_is_for=FOR_COLLEAGUES,
    seen=_seen,
)
WITHDRAW = Verb(
    name="withdraw",
    label="Withdraw",
    explanation="What you have requested is not done.",
    done="Withdrawn. Nothing was done.",
    otherwise=DECIDED,
    is_offered=lambda row: row.is_waiting,
    carry_out=lambda row, by, why: approvals.withdraw(row.pk, _by(by)),
    seen=_seen,
)


def _may_make(request: HttpRequest, row: ApprovalRequest) -> bool:
    is_own = row.requested_by_user == request.user.pk
    return is_own and row.state == State.APPROVED and not row.is_expired and request.user.has_perm(KEYS)


class StatusFilter(admin.SimpleListFilter):
    """A filter by the state or the result of a request."""

    title = "state"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [*((str(value), str(label)) for value, label in State.choices), ("expired", "expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted in (State.WAITING, State.APPROVED):
            return queryset.filter(
                waiting_for_approval() if wanted == State.WAITING else approved_and_not_done()
            )
        if wanted == "expired":
            open_ones = queryset.filter(state__in=[State.WAITING, State.APPROVED])
            return open_ones.filter(expires_at__lte=timezone.now())
        return queryset.filter(state=wanted) if wanted in State.values else queryset


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdminWithActions):
    """The list of requests, and a page for each, on which a second person decides."""

    verbs = (APPROVE, DECLINE, WITHDRAW)
    list_display = ("what", "status", "requested_by", "requested", "until", "merchant")
    list_select_related = ("merchant",)
    list_filter = (StatusFilter, "matter", "merchant")
    search_fields = ("payment__reference__exact", "payment__order_reference__iexact", "requested_by__iexact")
    search_help_text = "Order number, payment reference or user"
    fields = (
        *("what", "status", "details", "merchant", "of_payment", "reason"),
        *("requested_by", "requested", "until", *DECISION),
    )
    readonly_fields = ("status", "details", "of_payment", "requested", "until")
    change_form_template = "admin/payments/approval.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """See ModelAdmin. The fields of the decision are shown only once there is one."""
        shown = super().get_fields(request, obj)
        return shown if obj is None or obj.decided_by else [name for name in shown if name not in DECISION]

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """See AdminWithActions. ``verb_view`` checks the rights to act on one request."""
        return self.has_view_permission(request)

    def may_act(self, request: HttpRequest, verb: Verb, row: ApprovalRequest) -> bool:
        """Return True if the user may take this action on ``row``. Nobody may decide on their own request."""
        is_own = row.requested_by_user == request.user.pk
        if verb is WITHDRAW:
            return is_own
        return not is_own and request.user.has_perm(effects.PERMISSIONS[row.matter])

    def verb_view(self, verb: Verb, request: HttpRequest, object_id: str) -> HttpResponse:
        """See AdminWithActions."""
        row = self.row_for(request, object_id, is_permitted=True)
        if row is not None and verb is not WITHDRAW and row.requested_by_user == request.user.pk:
            return self.back(request, row, messages.ERROR, f"{verb.label}: {approvals.OWN}")
        if row is not None and not self.may_act(request, verb, row):
            raise PermissionDenied
        return super().verb_view(verb, request, object_id)

    def tools(self, request: HttpRequest, row: ApprovalRequest) -> list[Tool]:
        """See AdminWithActions."""
        offered = [verb for verb in self.verbs if self.may_act(request, verb, row) and verb.is_offered(row)]
        tools = [Tool(verb.label, self.address(verb.name, row)) for verb in offered]
        return [Tool(MAKE_KEY, self.address("make_key", row)), *tools] if _may_make(request, row) else tools

    def facts(self, row: ApprovalRequest) -> Iterable[FactLine]:
        """See AdminWithActions."""
        yield "Requested by", row.requested_by
        if row.reason:
            yield "Reason", row.reason
        if row.payment is None:
            yield "Merchant", merchant_text(row.merchant)
        yield from effects.facts(row)
        yield "Expires", short_time(row.expires_at)

    def get_urls(self) -> list[Any]:
        return [self.page("make_key", self.make_key_view), *super().get_urls()]

    def make_key_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make an approved API key, and show its secret once. Only the requester of the key may do so."""
        row = self.row_for(request, object_id, request.user.has_perm(KEYS))
        if row is None:
            return self.missing(request, object_id)
        if not _may_make(request, row):
            text = f"{MAKE_KEY}: only its requester can, once, and after the approval. Nothing was made."
            return self.back(request, row, messages.ERROR, text)
        if request.method != "POST":
            return self.show(request, "admin/payments/make_approved_key.html", row, MAKE_KEY, {})
        made: list[tuple[ApiKey, str]] = []
        before = self.columns_of(row)
        try:
            with transaction.atomic():
                approvals.carry_out_approved(row.pk, member(request.user), maker(made))
                self.note_action(request, row, "make_key", MAKE_KEY, before)
        except OperationRejected as error:
            return self.back(request, row, messages.ERROR, f"{MAKE_KEY}: nothing was made. {error}")
        [(key, secret)] = made
        return secret_page(self.admin_site, request, key, secret)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Add a sentence that names the person who has to act next."""
        if obj is not None:
            context["turn"] = self._turn(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _turn(self, request: HttpRequest, row: ApprovalRequest) -> str:
        is_own = row.requested_by_user == request.user.pk
        if row.is_expired:
            return approvals.LATE
        if row.state == State.APPROVED:
            return (
                "It is approved: make the key now." if is_own else f"{row.requested_by} can make the key now."
            )
        if not row.is_waiting:
            return ""
        if is_own:
            return approvals.OWN
        may = request.user.has_perm(effects.PERMISSIONS[row.matter])
        return "It waits for your decision." if may else "It waits for somebody who may approve it."

    @admin.display(description="state", ordering="state")
    def status(self, row: ApprovalRequest) -> str:
        return badge("expired", "expired") if row.is_expired else badge(row.state, row.get_state_display())

    @admin.display(description="details")
    def details(self, row: ApprovalRequest) -> str:
        """The values that were entered and, if the request is about a payment, its present amounts."""
        return format_html_join("", "<div>{}: {}</div>", effects.facts(row)) or NOTHING

    @admin.display(description="payment")
    def of_payment(self, row: ApprovalRequest) -> str:
        return payment_page_link(row.payment) if row.payment else NOTHING

    @admin.display(description="requested", ordering="created_at")
    def requested(self, row: ApprovalRequest) -> str:
        return short_time(row.created_at)

    @admin.display(description="expires", ordering="expires_at")
    def until(self, row: ApprovalRequest) -> str:
        return short_time(row.expires_at)
