"""The bodies and queries of requests about webhooks. ``checkout.webhooks.actions`` checks their meaning."""

from typing import Any

from checkout.api.requests.fields import Choice, QueryFlag, Several, Strict, Text, Time
from checkout.api.resources.inputs import Created
from checkout.described import CURSOR, TIME
from checkout.payments.event_feed import EVENT_TYPES

PAYLOADS = ("full", "thin")
STATES = ("pending", "delivered", "failed")
CONTACT = (
    "The e-mail address for notices that the endpoint has failed for 24 hours, or was disabled. The "
    "gateway's operators may get these notices as well. If neither address is set, nobody is warned before "
    "the endpoint is disabled."
)


def _types(**options: Any) -> Several:
    return Several(
        child=Choice(choices=list(EVENT_TYPES)),
        required=False,
        max_length=len(EVENT_TYPES),
        help_text="The types of events that are sent. An empty list stands for all types, including types "
        "that are added later.",
        example=["payment.captured", "refund.succeeded"],
        **options,
    )


def _url(**options: Any) -> Text:
    told = "The address to which events are sent: https, of a host on the public internet."
    return Text(max_length=500, help_text=told, example="https://shop.example/webhooks", **options)


def _payload(**options: Any) -> Choice:
    told = "`full` events have the changed object, `thin` events only name it."
    return Choice(choices=PAYLOADS, required=False, help_text=told, example="full", **options)


def _description(**options: Any) -> Text:
    told = "A note about the endpoint."
    return Text(required=False, allow_blank=True, max_length=200, help_text=told, example="orders", **options)


def _contact_email(**options: Any) -> Text:
    optional = {"required": False, "allow_blank": True, "max_length": 254}
    return Text(help_text=CONTACT, example="ops@shop.example", **optional, **options)


class CreateWebhookEndpoint(Strict):
    """An address to which webhooks are sent."""

    url = _url()
    event_types = _types(default=list)
    payload = _payload(default="full")
    description = _description(default="")
    contact_email = _contact_email(default="")


class ChangeWebhookEndpoint(Strict):
    """The fields of an endpoint that are to change. The others stay as they are."""

    url = _url(required=False)
    event_types = _types()
    payload = _payload()
    description = _description()
    contact_email = _contact_email()


class DisableWebhookEndpoint(Strict):
    """The reason for disabling the endpoint, which is shown with it."""

    reason = Text(
        required=False,
        max_length=200,
        default="disabled through the API",
        help_text="The reason, in words for people.",
        example="maintenance until noon",
    )


class ResendSince(Strict):
    """The time since which all events are sent again."""

    since = Time(help_text="The time of the earliest event, at most 30 days ago.", example=TIME)
    cursor = Text(
        required=False,
        allow_blank=True,
        max_length=40,
        default="",
        help_text="`next_cursor` of the answer before.",
        example=CURSOR,
    )


class NoFields(Strict):
    """A body without fields, which may be left out."""


class Deliveries(Created):
    """The filters of deliveries."""

    state = Choice(
        choices=STATES, required=False, default="", help_text="The state of the delivery.", example="failed"
    )
    delivered = QueryFlag(
        required=False, default=None, help_text="`false`: pending and failed deliveries.", example="false"
    )
