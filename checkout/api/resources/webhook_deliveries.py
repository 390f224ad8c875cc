"""Deliveries of webhooks: list, read with their attempts, and send again."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.answers.refusal import Fault, refusal
from checkout.api.requests.description import Described
from checkout.api.requests.view import ApiView
from checkout.api.resources import webhook_inputs
from checkout.api.resources.lists import ListObject, list_of
from checkout.described import ENDPOINT, told
from checkout.errors import RequestInvalid
from checkout.payments.actions import payment_queries
from checkout.privacy.cursors import seal_cursor
from checkout.webhooks import actions
from checkout.webhooks.delivery_queries import deliveries, delivery_of
from checkout.webhooks.objects import DeliveryLogObject, DeliveryObject, delivery_log, delivery_objects


class ResentObject(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request to send events again."""

    object: Annotated[Literal["resent"], told("The kind of object.", "resent")] = "resent"
    endpoint: Annotated[str, told("The id of the endpoint.", ENDPOINT)]
    events: Annotated[int, told("The number of events that this request has sent again.", 42)]
    has_more: Annotated[
        bool,
        told("True if there are more events. Repeat the request with `next_cursor` as its `cursor`.", False),
    ]
    next_cursor: Annotated[
        str | None, told("The `cursor` of the next request; null if there are no more events.", None)
    ]


class DeliveryList(ApiView):
    """A list of deliveries of the merchant."""

    def page(self, **only: Any) -> Answer:
        """Return the page that the query asks for."""
        wanted = self.query
        limit, cursor = wanted.pop("limit"), wanted.pop("cursor")
        rows = deliveries(self.merchant.code, **only, **wanted)
        page = payment_queries.page_of(self.merchant.code, rows, limit, cursor, delivery_objects)
        return Answer.of(200, list_of(page))


def _list(name: str, summary: str, problem: Any) -> Described:
    return Described(
        name=name,
        summary=summary,
        scope=Scope.WEBHOOKS_READ,
        query=webhook_inputs.Deliveries,
        answers={200: ListObject[DeliveryObject]},
        problems=(problem,),
    )


class DeliveriesOfEndpoint(DeliveryList):
    """The deliveries to one endpoint."""

    methods: ClassVar = {
        "GET": _list(
            "listDeliveriesOfEndpoint",
            "List the deliveries to an endpoint, the newest first",
            catalogue.WEBHOOK_NOT_FOUND,
        )
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return a page."""
        return self.page(endpoint=reference)


class DeliveriesOfEvent(DeliveryList):
    """The deliveries of one event: one for each endpoint that receives the event."""

    methods: ClassVar = {
        "GET": _list("listDeliveriesOfEvent", "List the deliveries of an event", catalogue.EVENT_NOT_FOUND)
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return a page. If there are no deliveries, check that the merchant has the event."""
        if not deliveries(self.merchant.code, event=reference).exists():
            payment_queries.read_event(self.merchant, reference)
        return self.page(event=reference)


class OneDelivery(ApiView):
    """One delivery."""

    methods: ClassVar = {
        "GET": Described(
            name="getDelivery",
            summary="Read a delivery with its attempts",
            scope=Scope.WEBHOOKS_READ,
            answers={200: DeliveryLogObject},
            problems=(catalogue.WEBHOOK_NOT_FOUND,),
        )
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return the delivery."""
        return Answer.of(200, delivery_log(delivery_of(self.merchant.code, reference)))


class ResendDelivery(ApiView):
    """The resource that sends one delivery again."""

    methods: ClassVar = {
        "POST": Described(
            name="resendDelivery",
            summary="Send a delivery again with the same webhook-id, in any state",
            scope=Scope.WEBHOOKS_WRITE,
            body=webhook_inputs.NoFields,
            answers={200: DeliveryObject},
            problems=(catalogue.WEBHOOK_NOT_FOUND, catalogue.ENDPOINT_DISABLED),
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Send it again."""
        _ = self.body
        return Answer.of(200, delivery_objects([actions.resend(self.merchant.code, reference)])[0])


class ResendEvents(ApiView):
    """The resource that sends all events since a given time to one endpoint again."""

    methods: ClassVar = {
        "POST": Described(
            name="resendEvents",
            summary="Send all events since a time again, including events that the endpoint never received",
            scope=Scope.WEBHOOKS_WRITE,
            body=webhook_inputs.ResendSince,
            answers={200: ResentObject},
            problems=(catalogue.WEBHOOK_NOT_FOUND, catalogue.ENDPOINT_DISABLED),
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Send the events again, up to a limit for each request."""
        wanted = self.body
        owner = (self.merchant.code, f"events for {reference}")
        after = _key_of(wanted["cursor"], *owner)
        resent = actions.resend_some(self.merchant.code, reference, wanted["since"], after=after)
        cursor = seal_cursor(resent.after, *owner) if resent.after else None
        document = ResentObject(
            endpoint=reference, events=resent.count, has_more=cursor is not None, next_cursor=cursor
        )
        return Answer.of(200, document)


def _key_of(cursor: str, *owner: str) -> int:
    try:
        return payment_queries.key_of(cursor, *owner) if cursor else 0
    except RequestInvalid:
        fault = Fault(payment_queries.NO_CURSOR, pointer="/cursor")
        raise refusal(catalogue.INVALID_REQUEST, faults=[fault]) from None
