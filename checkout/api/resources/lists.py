"""The document of a page of a list."""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from checkout.described import told
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
    """A page of objects."""

    object: Annotated[Literal["list"], told("The kind of object.", "list")] = "list"
    data: Annotated[list[T], told("The objects of this page.")]
    has_more: Annotated[bool, told("True if there are more pages.", False)]
    next_cursor: Annotated[str | None, told("The `cursor` of the next page; null if there is none.", None)]


def list_of(page: Page[T]) -> ListObject[T]:
    """Return the document of a page."""
    cursor = page.next_cursor
    return ListObject(data=list(page.items), has_more=bool(cursor), next_cursor=cursor or None)
