"""Sagas: the state of each flow, and the flows that wait for a person."""

from django.contrib import admin
from django.http import HttpRequest

from checkout.backoffice.base import ReadOnlyInline
from checkout.backoffice.display.columns import OfPayment
from checkout.backoffice.display.values import NOTHING, age, badge, humanised, json_block
from checkout.backoffice.row_actions import Tool, Verb
from checkout.backoffice.settling.claims import ClaimSettlingAdmin, claim_tools
from checkout.backoffice.settling.operations import settling_tools
from checkout.payments import actions
from checkout.payments.models import Operation, Saga, SagaStep

TRY_AGAIN = Verb(
    name="resume",
    label="Try again",
    explanation=(
        "The step at which this saga was parked is carried out again. A request that may have reached the "
        "provider is not sent a second time: the provider is asked about it first. An order that could not "
        "be confirmed, or whose money came back, is confirmed if that is possible now. If its payment has "
        "been refunded, the order is cancelled instead."
    ),
    done="It will be tried again in a moment. Reload this page to see the result.",
    otherwise="only a parked saga can be tried again. Nothing was changed.",
    is_offered=lambda saga: saga.status == Saga.Status.PARKED,
    carry_out=lambda saga, by, _: actions.resume_saga(saga.pk, by=by),
    seen=lambda saga: saga.version,
)


class StepInline(ReadOnlyInline):
    """The commands that a saga has sent, and their results."""

    model = SagaStep
    fields = ("name", "command", "outcome", "sent_at", "replied_at")


@admin.register(Saga)
class SagaAdmin(OfPayment, ClaimSettlingAdmin):
    """Sagas. Staff may resume a parked saga, or settle its question.

    Otherwise only the orchestrator changes them.
    """

    verbs = (TRY_AGAIN,)
    list_display = ("key", "kind", "status_label", "step_in_words", "payment_link", "age", "deadline_at")
    list_select_related = ("payment",)
    list_filter = ("status", "kind", ("created_at", admin.DateFieldListFilter))
    search_fields = ("key__exact", "payment__reference__exact", "payment__order_reference__exact")
    search_help_text = "Key, payment reference or order number"
    date_hierarchy = "created_at"
    fields = (
        "kind",
        "key",
        "status_label",
        "step_in_words",
        "parked_because",
        "payment_link",
        "attempt",
        "parent",
        "awaiting",
        "deadline_at",
        "known",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("status_label", "step_in_words", "parked_because", "payment_link", "known")
    inlines = (StepInline,)

    def tools(self, request: HttpRequest, row: Saga) -> list[Tool]:
        waiting = Operation.objects.filter(kind=row.kind, reference=row.key)
        own = Saga.objects.filter(pk=row.pk)
        settling = (*settling_tools(waiting, request.user), *claim_tools(own, request.user))
        return [*settling, *super().tools(request, row)]

    @admin.display(description="status", ordering="status")
    def status_label(self, saga: Saga) -> str:
        return badge(saga.status)

    @admin.display(description="step", ordering="step")
    def step_in_words(self, saga: Saga) -> str:
        return humanised(saga.step)

    @admin.display(description="parked because")
    def parked_because(self, saga: Saga) -> str:
        if saga.status != Saga.Status.PARKED:
            return NOTHING
        parked = saga.payment.facts.filter(kind="saga_parked", data__saga=saga.kind, data__step=saga.step)
        fact = parked.order_by("-pk").first()
        return (fact.data.get("why") if fact else "") or NOTHING

    @admin.display(ordering="-created_at")
    def age(self, saga: Saga) -> str:
        return age(saga.created_at)

    @admin.display(description="what it knows")
    def known(self, saga: Saga) -> str:
        return json_block(saga.data)
