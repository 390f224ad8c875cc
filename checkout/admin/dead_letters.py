"""Messages that a service gave up on."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from checkout import operations
from checkout.admin.acting import ActingAdmin, Verb
from checkout.admin.attention import NOT_SENT_AGAIN
from checkout.admin.base import ModelAdmin
from checkout.admin.display import badge, json_block, payment_link, text_block
from checkout.errors import OperationRejected
from checkout.models import DeadLetter

REQUEUE = Verb(
    name="requeue",
    label="Requeue",
    explanation=(
        "The same message is sent once more to the queue where it died. Do it when what was wrong has been "
        "put right; a service that has handled the message all the same does not handle it again."
    ),
    done="Sent again. If it dies again, it is listed here again.",
    otherwise="this message was sent again already. Nothing was changed.",
    is_offered=lambda letter: letter.requeued_at is None,
    carry_out=lambda letter, by, _: operations.requeue_dead_letter(letter.pk, by=by),
)


class StatusFilter(admin.SimpleListFilter):
    """Whether it was sent again."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("waiting", "Waiting for a person"), ("requeued", "Sent again")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        if self.value() == "waiting":
            return queryset.filter(NOT_SENT_AGAIN)
        return queryset.exclude(NOT_SENT_AGAIN) if self.value() == "requeued" else queryset


@admin.register(DeadLetter)
class DeadLetterAdmin(ActingAdmin):
    """What was in a message, without the sealed card, and why nobody could handle it."""

    verbs = (REQUEUE,)
    actions = ("requeue_selected",)
    list_display = ("type", "service", "reason", "status", "copies", "died_at", "payment")
    list_filter = (StatusFilter, "service", ("died_at", admin.DateFieldListFilter))
    search_fields = ("subject__exact", "message_id__exact", "correlation_id__exact", "type__exact")
    search_help_text = "Payment reference, message id, correlation id or type"
    date_hierarchy = "died_at"
    fields = (
        "type",
        "message_id",
        "service",
        "queue",
        "reason",
        "status",
        "payment",
        "copies",
        "died_at",
        "requeued_at",
        "requeued_by",
        "correlation_id",
        "reply_to",
        "message_body",
        "message_headers",
    )
    readonly_fields = ("status", "payment", "message_body", "message_headers")

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        """Asked by Django before it offers the action."""
        return self.may(request, REQUEUE)

    @admin.action(description="Requeue the selected dead letters", permissions=["requeue"])
    def requeue_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Each for itself: one that cannot be sent again does not hold up the others."""
        sent = 0
        for letter in queryset:
            try:
                operations.requeue_dead_letter(letter.pk, by=request.user.get_username())
            except OperationRejected as error:
                self.message_user(request, f"{letter}: not sent again. {error}", messages.ERROR)
            else:
                self.log_change(request, letter, REQUEUE.label)
                sent += 1
        if sent:
            self.message_user(request, f"Sent again: {sent}.", messages.SUCCESS)

    @admin.display(description="status", ordering="requeued_at")
    def status(self, letter: DeadLetter) -> str:
        return badge("sent_again" if letter.requeued_at else "waiting")

    @admin.display(ordering="subject")
    def payment(self, letter: DeadLetter) -> str:
        return payment_link(letter.subject)

    @admin.display(description="body")
    def message_body(self, letter: DeadLetter) -> str:
        """As it came: it may be dead for being no JSON."""
        return text_block(letter.body)

    @admin.display(description="headers")
    def message_headers(self, letter: DeadLetter) -> str:
        return json_block(letter.headers)
