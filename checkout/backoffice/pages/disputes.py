"""Disputes: payments whose issuers took money back, may have taken money back, or ask for information.

The page of a dispute has the reason, the time limit, the evidence and the postings.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from types import MappingProxyType
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join

from checkout.audit.log import Details
from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.display.facts import FactLine, order_facts
from checkout.backoffice.display.localised import day_text, minute_text, money_text
from checkout.backoffice.display.values import badge, payment_page_link, short_time
from checkout.backoffice.display.wording import CLAIMS, DISPUTE_EVENTS
from checkout.backoffice.exports import WithExport
from checkout.backoffice.pages.ledger import books_of
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool
from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments.actions import disputes as actions
from checkout.payments.dispute_reasons import reason_in_words
from checkout.payments.evidence_files import ENDINGS
from checkout.payments.models import Dispute, DisputeRecord, Evidence, Operation, Saga

PERMISSION = "payments.handle_dispute"
FORM_PAGE = "admin/payments/dispute_form.html"
# The states of a dispute, the most urgent first. If several fit, the first of them counts.
STATES = {
    "decision": "needs a decision",
    "asked": "claimed: the provider is being asked",
    "charged_back": "charged back",
    "reversed": "reversed",
    "information": "information requested",
}


class StandingFilter(admin.SimpleListFilter):
    """A filter by the state of the dispute."""

    title = "state"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [*STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(standing=self.value()) if self.value() in STATES else queryset


class AnswerFilter(admin.SimpleListFilter):
    """A filter by the time limit of disputes that are not answered."""

    title = "answer"
    parameter_name = "answer"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("week", "due within 7 days"), ("passed", "time limit passed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "week":
            return queryset.filter(actions.due_within_a_week())
        if self.value() == "passed":
            passed = {"dispute_record__deadline__lt": timezone.localdate()}
            return queryset.filter(dispute_record__is_answered=False, **passed)
        return queryset


class RecordForm(forms.Form):
    """A form for the reason and the time limit of a dispute, as the provider's portal shows them."""

    reason_code = forms.CharField(
        required=False, max_length=10, help_text="As the portal has it, for example 10.4 or 4853."
    )
    deadline = forms.DateField(
        required=False,
        label="Answer by",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The last day on which the provider takes an answer.",
    )
    is_answered = forms.BooleanField(required=False, label="It is answered in the provider's portal")


class EvidenceForm(forms.Form):
    """A form for a file of evidence, and a description of its content."""

    file = forms.FileField(
        help_text="A PDF, PNG or JPEG, such as a proof of delivery. Black out card numbers in it.",
        widget=forms.FileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg"}),
    )
    description = forms.CharField(
        required=False, max_length=200, widget=forms.TextInput(attrs={"class": "vTextField"})
    )


@admin.register(Dispute)
class DisputeAdmin(WithExport, ReadOnlyAdminWithActions):
    """The list of disputes, and a page for each of them."""

    list_display = (
        "since",
        "order",
        "disputed",
        "state_in_words",
        "reason",
        "answer_by",
        "known",
        "merchant",
    )
    list_display_links = ("since",)
    fields = (
        *("order", "disputed", "state_in_words", "reason", "answer_by", "known", "merchant"),
        *("evidence_files", "postings"),
    )
    readonly_fields = fields
    list_select_related = ("merchant",)
    list_filter = (
        StandingFilter,
        AnswerFilter,
        "merchant",
        "currency",
        ("created_at", admin.DateFieldListFilter),
    )
    search_fields = ("order_reference__iexact", "reference__exact", "attempts__order_code__exact")
    search_help_text = "Order number, payment reference or provider order code"
    export_columns = MappingProxyType(
        {
            "since": lambda payment: _since(payment),
            "order": lambda payment: payment.order_reference,
            "payment": lambda payment: payment.reference,
            "merchant": lambda payment: payment.merchant.code,
            "state": lambda payment: payment.standing,
            "amount": lambda payment: _disputed(payment).decimal,
            "minor": lambda payment: _disputed(payment).minor,
            "currency": lambda payment: payment.currency,
            "known": lambda payment: ". ".join(_known(payment)),
        }
    )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True for users who may view payments."""
        return request.user.has_perm("payments.view_payment")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """See ``has_view_permission``."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispute]:
        """Read the operations, claims and facts of all disputes of a page at once."""
        return actions.disputes(super().get_queryset(request))

    def get_urls(self) -> list[Any]:
        download = path(
            "<int:pk>/evidence/<str:reference>/",
            self.admin_site.admin_view(self.download_view),
            name="payments_dispute_download",
        )
        pages = [self.page("record", self.record_view), self.page("evidence", self.evidence_view)]
        return [download, *pages, *super().get_urls()]

    def tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        """See AdminWithActions."""
        if not request.user.has_perm(PERMISSION):
            return []
        return [
            Tool("Add evidence", self.address("evidence", row)),
            Tool("Reason and time limit", self.address("record", row)),
        ]

    def facts(self, row: Any) -> Iterator[FactLine]:
        """See AdminWithActions."""
        yield from order_facts(row)
        yield "Disputed", self.disputed(row)

    def record_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form of the reason and the time limit, or record the submitted values."""
        row = self.row_for(request, object_id, request.user.has_perm(PERMISSION))
        if row is None:
            return self.missing(request, object_id)
        before = _recorded(row)
        form = RecordForm(request.POST if request.method == "POST" else None, initial=before)
        if form.is_valid():
            try:
                with transaction.atomic():
                    actions.record_dispute(row.reference, **form.cleaned_data, by=request.user.get_username())
                    details = Details(before=_plain(before), after=_plain(form.cleaned_data))
                    self.note(request, row, "record", "Recorded reason and time limit", details)
            except OperationRejected as error:
                form.add_error("reason_code", str(error))
            else:
                return self.back(request, row, messages.SUCCESS, "Recorded.")
        context = {"form": form, "button": "Record"}
        return self.show(request, FORM_PAGE, row, "Reason and time limit", context)

    def evidence_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form of a file, or store the submitted file."""
        row = self.row_for(request, object_id, request.user.has_perm(PERMISSION))
        if row is None:
            return self.missing(request, object_id)
        form = EvidenceForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                with transaction.atomic():
                    kept = actions.add_evidence(
                        row.reference,
                        name=file.name,
                        content=file.read(conf.evidence_bytes + 1),
                        description=form.cleaned_data["description"],
                        by=request.user.get_username(),
                    )
                    after = {"file": kept.name, "sha256": kept.digest}
                    self.note(request, row, "evidence", "Added evidence", Details(after=after))
            except OperationRejected as error:
                form.add_error("file", str(error).removeprefix("content: ").removeprefix("description: "))
            else:
                return self.back(request, row, messages.SUCCESS, f"Kept {kept.name}.")
        context = {"form": form, "button": "Keep the file"}
        return self.show(request, FORM_PAGE, row, "Add evidence", context)

    def download_view(self, request: HttpRequest, pk: int, reference: str) -> HttpResponseBase:
        """Send a file as a download. It is never shown as a page of this origin."""
        row = self.row_for(request, str(pk), is_permitted=True)
        found = Evidence.objects.filter(payment=row, reference=reference).first() if row else None
        if found is None:
            raise Http404
        return FileResponse(
            BytesIO(bytes(found.content.content)),
            as_attachment=True,
            filename=f"evidence-{found.pk}.{ENDINGS[found.media_type]}",
            content_type="application/octet-stream",
            headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        )

    @admin.display(description="reason")
    def reason(self, payment: Any) -> str:
        record = _record(payment)
        if record is None or not record.reason_code:
            return "not recorded"
        words = reason_in_words(record.reason_code)
        return f"{record.reason_code}: {words}" if words else record.reason_code

    @admin.display(description="answer by")
    def answer_by(self, payment: Any) -> str:
        record = _record(payment)
        if record is None or record.deadline is None:
            return "not recorded"
        day = day_text(record.deadline)
        if record.is_answered:
            return f"{day} (answered)"
        return f"{day} (passed)" if record.deadline < timezone.localdate() else day

    @admin.display(description="evidence")
    def evidence_files(self, payment: Any) -> str:
        """The files, each with a link that downloads it."""
        lines = (
            (
                reverse("admin:payments_dispute_download", args=[payment.pk, each.reference]),
                each.name,
                f"{each.size / 1000:.0f} kB, {each.added_by}, {day_text(each.added_at)}",
                f": {each.description}" if each.description else "",
            )
            for each in payment.evidence.all()
        )
        return format_html_join("", '<div><a href="{}">{}</a> ({}){}</div>', lines) or "none"

    @admin.display(description="postings")
    def postings(self, payment: Any) -> str:
        """The ledger entries of the money that issuers took or returned."""
        references = {each.reference for each in payment.moved}
        lines = (
            (entry.account, money_text(amount), minute_text(entry.posted_at))
            for entry, amount in books_of(payment).entries
            if entry.posting.partition(":")[2] in references
        )
        return format_html_join("", "<div>{}: {} ({})</div>", lines) or "none"

    @admin.display(description="since")
    def since(self, payment: Dispute) -> str:
        return short_time(_since(payment))

    @admin.display(description="order", ordering="order_reference")
    def order(self, payment: Dispute) -> str:
        return payment_page_link(payment)

    @admin.display(description="amount")
    def disputed(self, payment: Dispute) -> str:
        """The sum that issuers took back, or claim to have taken.

        If there is only a question, the payment's amount.
        """
        return money_text(_disputed(payment))

    @admin.display(description="state", ordering="standing")
    def state_in_words(self, payment: Dispute) -> str:
        return badge(payment.standing, STATES[payment.standing])  # type: ignore[attr-defined]

    @admin.display(description="what is known")
    def known(self, payment: Dispute) -> str:
        return ". ".join(_known(payment)) + "."


def _record(payment: Any) -> DisputeRecord | None:
    found: DisputeRecord | None = getattr(payment, "dispute_record", None)
    return found


def _recorded(payment: Any) -> dict[str, Any]:
    record = _record(payment)
    names = ("reason_code", "deadline", "is_answered")
    return {name: getattr(record, name) for name in names} if record else {}


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value if isinstance(value, bool) else str(value or "") for name, value in values.items()}


def _since(payment: Any) -> datetime:
    return min(_times(payment), default=payment.updated_at)


def _disputed(payment: Any) -> Money:
    minor = _sum(payment, Operation.Kind.CHARGE_BACK) + payment.at_risk_minor
    return Money(minor or payment.amount_minor, payment.currency)


def _times(payment: Any) -> Iterator[datetime]:
    yield from (fact.recorded_at for fact in payment.signs)
    yield from (row.created_at for row in (*payment.moved, *payment.claims))


def _sum(payment: Any, kind: str) -> int:
    return sum(each.amount_minor for each in payment.moved if each.kind == kind)


def _known(payment: Any) -> Iterator[str]:
    """Yield in words the amounts booked, the claims, and the provider's last event that moves no money."""
    taken = _sum(payment, Operation.Kind.CHARGE_BACK)
    returned = _sum(payment, Operation.Kind.CHARGE_BACK_REVERSAL)
    if taken:
        yield f"The shopper's bank took {money_text(Money(taken, payment.currency))}"
    if returned:
        yield f"It returned {money_text(Money(returned, payment.currency))}"
    claims: Sequence[Saga] = payment.claims
    for saga in claims:
        is_parked = saga.status == Saga.Status.PARKED
        end = "say on the payment's page if it is so" if is_parked else "the provider is being asked"
        yield f"{CLAIMS[saga.data['claim']]}, says a notification: {end}"
    told = [fact.data.get("event", "") for fact in payment.signs]
    if words := [DISPUTE_EVENTS[event] for event in told if event in DISPUTE_EVENTS]:
        yield words[-1]
