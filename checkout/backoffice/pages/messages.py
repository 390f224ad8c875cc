"""Messages between services: the outbox, and the inbox of handled messages."""

import json

from django.contrib import admin

from checkout.backoffice.base import ReadOnlyAdmin
from checkout.backoffice.display.columns import AboutPayment
from checkout.backoffice.display.values import duration_text, json_block
from checkout.backoffice.filters import HappenedFilter
from checkout.payments.models import InboxMessage, OutboxMessage


@admin.register(OutboxMessage)
class OutboxMessageAdmin(AboutPayment, ReadOnlyAdmin):
    """Messages that services send. A message's encrypted card is in no table."""

    list_display = ("type", "routing_key", "payment", "created_at", "published_at", "attempts", "last_error")
    list_filter = (("published_at", HappenedFilter), ("created_at", admin.DateFieldListFilter))
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
        "rejections",
        "given_up_at",
        "last_error",
        "message_body",
        "message_headers",
    )
    readonly_fields = ("payment", "message_body", "message_headers")

    @admin.display(description="body")
    def message_body(self, message: OutboxMessage) -> str:
        return json_block(json.loads(message.body))

    @admin.display(description="headers")
    def message_headers(self, message: OutboxMessage) -> str:
        return json_block(message.headers)


@admin.register(InboxMessage)
class InboxMessageAdmin(AboutPayment, ReadOnlyAdmin):
    """Messages that services have handled. Each consumer handles a message once."""

    list_display = ("type", "consumer", "payment", "received_at", "took")
    list_filter = (("received_at", admin.DateFieldListFilter),)
    search_fields = ("subject__exact", "message_id__exact")
    search_help_text = "Payment reference or message id"
    date_hierarchy = "received_at"
    fields = ("type", "message_id", "consumer", "payment", "received_at", "handled_at", "took")
    readonly_fields = ("payment", "took")

    @admin.display(description="took")
    def took(self, message: InboxMessage) -> str:
        return duration_text(message.handled_at - message.received_at)
