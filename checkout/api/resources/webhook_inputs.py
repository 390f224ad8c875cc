"""The bodies and queries of requests about webhooks. ``checkout.webhooks.actions`` checks their meaning."""

from typing import Any

from rest_framework import serializers

from checkout.api.requests.fields import QueryFlag, Strict, Text, Time
from checkout.api.resources.inputs import Created
from checkout.payments.event_feed import EVENT_TYPES

PAYLOADS = ("full", "thin")
STATES = ("pending", "delivered", "failed")
CONTACT = (
    "The e-mail address for notices that the endpoint has failed for 24 hours, or was disabled. The "
    "gateway's operators may get these notices as well. If neither address is set, nobody is warned before "
    "the endpoint is disabled."
)


def _types(**options: Any) -> serializers.ListField:
    child = serializers.ChoiceField(choices=list(EVENT_TYPES))
    told = "An empty list stands for all types, including types that are added later."
    return serializers.ListField(
        child=child, required=False, max_length=len(EVENT_TYPES), help_text=told, **options
    )


class CreateWebhookEndpoint(Strict):
    """An address to which webhooks are sent."""

    url = Text(max_length=500, help_text="An https address of a host on the public internet.")
    event_types = _types(default=list)
    payload = serializers.ChoiceField(choices=PAYLOADS, required=False, default="full")
    description = Text(required=False, allow_blank=True, max_length=200, default="")
    contact_email = Text(required=False, allow_blank=True, max_length=254, default="", help_text=CONTACT)


class ChangeWebhookEndpoint(Strict):
    """The fields of an endpoint that are to change. The others stay as they are."""

    url = Text(required=False, max_length=500)
    event_types = _types()
    payload = serializers.ChoiceField(choices=PAYLOADS, required=False)
    description = Text(required=False, allow_blank=True, max_length=200)
    contact_email = Text(required=False, allow_blank=True, max_length=254, help_text=CONTACT)


class DisableWebhookEndpoint(Strict):
    """The reason for disabling the endpoint, which is shown with it."""

    reason = Text(required=False, max_length=200, default="disabled through the API")


class ResendSince(Strict):
    """The time since which all events are sent again."""

    since = Time(help_text="At most 30 days ago.")
    cursor = Text(
        required=False,
        allow_blank=True,
        max_length=40,
        default="",
        help_text="`next_cursor` of the answer before.",
    )


class NoFields(Strict):
    """A body without fields, which may be left out."""


class Deliveries(Created):
    """The filters of deliveries."""

    state = serializers.ChoiceField(choices=STATES, required=False, default="")
    delivered = QueryFlag(required=False, default=None, help_text="`false`: pending and failed deliveries.")
