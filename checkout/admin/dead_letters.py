"""Messages that a service gave up on."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from checkout.admin.acting import ActingAdmin
from checkout.admin.attention import NOT_SENT_AGAIN
from checkout.admin.base import ModelAdmin
from checkout.admin.display import badge, json_block, payment_link, text_block
from checkout.models import DeadLetter


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

    list_display = ("type", "service", "reason", "status", "payment", "copies", "died_at")
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
