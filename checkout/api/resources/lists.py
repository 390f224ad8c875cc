"""The document of a page of a list."""

from typing import Generic, Literal, TypeVar

import msgspec

from checkout.payments.actions.payment_queries import Page
from checkout.payments.objects import AttemptObject, EventObject, OperationObject, PaymentObject
from checkout.payments.objects.dispute import DisputeObject
from checkout.payments.objects.link import PaymentLinkObject
from checkout.payments.objects.saved_card import SavedCardObject
from checkout.webhooks.objects import DeliveryObject, WebhookEndpointObject

T = TypeVar(
    "T",
    PaymentObject,
    AttemptObject,
    OperationObject,
    EventObject,
    PaymentLinkObject,
    SavedCardObject,
    DisputeObject,
    WebhookEndpointObject,
    DeliveryObject,
)


class ListObject(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A page of objects. ``next_cursor`` is the ``cursor`` of the next page; null if there is none."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool
    next_cursor: str | None


def list_of(page: Page[T]) -> ListObject[T]:
    """Return the document of a page."""
    cursor = page.next_cursor
    return ListObject(data=list(page.items), has_more=bool(cursor), next_cursor=cursor or None)
