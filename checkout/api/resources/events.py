"""Events, which webhooks report: list them, and read one."""

from functools import partial
from typing import ClassVar

from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.requests.description import Described
from checkout.api.requests.held import HeldList
from checkout.api.requests.view import ApiView
from checkout.api.resources import inputs
from checkout.api.resources.lists import ListObject, list_of
from checkout.payments.actions import payment_queries
from checkout.payments.objects import EventObject
from checkout.webhooks.delivery_queries import events_by_delivery


class Events(ApiView):
    """All events of the merchant."""

    methods: ClassVar = {
        "GET": Described(
            name="listEvents",
            summary="List events, the newest first; with Prefer: wait=N, an empty page waits for an event",
            scope=Scope.EVENTS_READ,
            query=inputs.Events,
            answers={200: ListObject[EventObject]},
            may_be_held=True,
        )
    }

    def get(self, request: Request) -> Answer | HeldList:
        """Return a page."""
        wanted = self.query
        types = [each for each in wanted.pop("types").split(",") if each]
        delivered = wanted.pop("delivered")
        if delivered is not None:
            wanted["where"] = events_by_delivery(self.merchant.code, delivered=delivered)
        page = partial(payment_queries.list_events, self.merchant, types=types, **wanted)
        found = page()
        answer = Answer.of(200, list_of(found))
        if found.items or found.next_cursor or self.preference.seconds <= 0:
            return answer
        return HeldList(
            first=answer,
            seconds=self.preference.seconds,
            look=lambda: bool(page().items),
            finish=lambda: Answer.of(200, list_of(page())),
        )


class OneEvent(ApiView):
    """One event."""

    methods: ClassVar = {
        "GET": Described(
            name="getEvent",
            summary="Read an event",
            scope=Scope.EVENTS_READ,
            answers={200: EventObject},
            problems=(catalogue.EVENT_NOT_FOUND,),
        )
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return the event."""
        return Answer.of(200, payment_queries.read_event(self.merchant, reference))
