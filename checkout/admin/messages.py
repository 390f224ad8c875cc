"""Messages that were decided on and handled, and notifications as they were received."""

import json

from django.contrib import admin

from checkout import operations
from checkout.admin.acting import ActingAdmin, Verb
from checkout.admin.base import ReadOnlyAdmin
from checkout.admin.display import badge, duration_text, json_block, payment_link, text_block
from checkout.models import InboxMessage, OutboxMessage, ProviderNotification
from checkout.operations.dealt_with import NEEDS_ATTENTION

DEAL_WITH = Verb(
    name="deal_with",
    label="Mark as dealt with",
    explanation=(
        "What the notification says is not applied, nor is its payment looked for any more: it only stops "
        "waiting for a person. Say what was done, or why nothing need be."
    ),
    done="Marked as dealt with.",
    otherwise="it waits for nobody. Nothing was changed.",
    is_offered=lambda row: row.state in NEEDS_ATTENTION and row.dealt_with_at is None,
    carry_out=lambda row, by, why: operations.deal_with_notification(row.pk, by=by, note=why),
    asks_why=True,
)


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    """What services have decided to send. The sealed card travels with a message but is in no table."""

    list_display = ("type", "routing_key", "payment", "created_at", "published_at", "attempts", "last_error")
    list_filter = (("published_at", admin.EmptyFieldListFilter), ("created_at", admin.DateFieldListFilter))
    search_fields = ("subject__exact", "message_id__exact", "correlation_id__exact", "causation_id__exact")
    search_help_text = "Payment reference, message id, correlation id or causation id"
    date_hierarchy = "created_at"
    fields = (
        "type",
        "message_id",
        "exchange",
        "routing_key",
        "payment",
        "correlation_id",
        "reply_to",
        "causation_id",
        "carries_sealed",
        "created_at",
        "available_at",
        "published_at",
        "attempts",
        "last_error",
        "message_body",
        "message_headers",
    )
    readonly_fields = ("payment", "message_body", "message_headers")

    @admin.display(ordering="subject")
    def payment(self, message: OutboxMessage) -> str:
        return payment_link(message.subject)

    @admin.display(description="body")
    def message_body(self, message: OutboxMessage) -> str:
        return json_block(json.loads(message.body))

    @admin.display(description="headers")
    def message_headers(self, message: OutboxMessage) -> str:
        return json_block(message.headers)


@admin.register(InboxMessage)
class InboxMessageAdmin(ReadOnlyAdmin):
    """What services have handled: once each."""

    list_display = ("type", "consumer", "payment", "received_at", "took")
    list_filter = (("received_at", admin.DateFieldListFilter),)
    search_fields = ("subject__exact", "message_id__exact")
    search_help_text = "Payment reference or message id"
    date_hierarchy = "received_at"
    fields = ("type", "message_id", "consumer", "payment", "received_at", "handled_at", "took")
    readonly_fields = ("payment", "took")

    @admin.display(ordering="subject")
    def payment(self, message: InboxMessage) -> str:
        return payment_link(message.subject)

    @admin.display(description="took")
    def took(self, message: InboxMessage) -> str:
        return duration_text(message.handled_at - message.received_at)


@admin.register(ProviderNotification)
class ProviderNotificationAdmin(ActingAdmin):
    """What providers told us unasked, scrubbed before it was stored."""

    verbs = (DEAL_WITH,)
    list_display = (
        "received_at", "state_label", "reason", "account", "payment_found", "copies", "applied_at",
    )  # fmt: skip
    list_select_related = ("account", "payment")
    list_filter = (
        "state",
        ("dealt_with_at", admin.EmptyFieldListFilter),
        "account",
        ("received_at", admin.DateFieldListFilter),
    )
    search_fields = ("payment__reference__exact", "payment__order_reference__exact", "digest__exact")
    search_help_text = "Payment reference, order number or SHA-256 of the body"
    date_hierarchy = "received_at"
    fields = (
        "account",
        "state_label",
        "reason",
        "payment_found",
        "copies",
        "received_at",
        "applied_at",
        "tries",
        "next_try_at",
        "dealt_with_at",
        "dealt_with_by",
        "dealt_with_note",
        "digest",
        "scrubbed_body",
    )
    readonly_fields = ("state_label", "payment_found", "scrubbed_body")

    @admin.display(description="state", ordering="state")
    def state_label(self, notification: ProviderNotification) -> str:
        return badge(notification.state)

    @admin.display(description="payment")
    def payment_found(self, notification: ProviderNotification) -> str:
        return payment_link(notification.payment.reference if notification.payment else "")

    @admin.display(description="body")
    def scrubbed_body(self, notification: ProviderNotification) -> str:
        return text_block(notification.body)
