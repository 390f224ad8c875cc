"""Payment links: create, read, list, disable."""

from http import HTTPStatus
from typing import Any, ClassVar

from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.requests.description import Described, IdempotencyKey
from checkout.api.requests.idempotency import Made, answer_in, once
from checkout.api.requests.view import ApiView
from checkout.api.resources import inputs
from checkout.api.resources.charges import money_of
from checkout.api.resources.lists import ListObject, list_of
from checkout.api.resources.locations import address_of
from checkout.api.resources.webhook_inputs import NoFields
from checkout.payments import actions
from checkout.payments.actions import links, payment_queries
from checkout.payments.objects.link import PaymentLinkObject, link_object


class PaymentLinks(ApiView):
    """All payment links of the merchant."""

    methods: ClassVar = {
        "GET": Described(
            name="listPaymentLinks",
            summary="List payment links, the newest first",
            scope=Scope.PAYMENTS_READ,
            query=inputs.Page,
            answers={200: ListObject[PaymentLinkObject]},
        ),
        "POST": Described(
            name="createPaymentLink",
            summary="Create a link to send to shoppers, who can pay the amount at its address",
            scope=Scope.PAYMENTS_CREATE,
            body=inputs.CreatePaymentLink,
            key=IdempotencyKey.REQUIRED,
            answers={201: PaymentLinkObject},
            problems=(catalogue.NO_PROVIDER_ACCOUNT,),
        ),
    }

    def get(self, request: Request) -> Answer:
        """Return a page."""
        rows = links.links_of(self.merchant)
        page = payment_queries.page_of(
            self.merchant.code, rows, objects=lambda found: list(map(link_object, found)), **self.query
        )
        return Answer.of(200, list_of(page))

    def post(self, request: Request) -> Answer:
        """Create a link."""
        wanted, keyed = self.body, self.idempotency_key
        assert keyed is not None  # noqa: S101  it is required
        record, is_replay = once(keyed, lambda: self._create(wanted))
        return answer_in(record, is_replay=is_replay)

    def _create(self, wanted: dict[str, Any]) -> Made:
        amount = money_of(wanted)
        actions.require_account(self.merchant, amount)
        fields = {name: value for name, value in wanted.items() if name not in ("amount", "currency")}
        link = links.create_link(self.merchant, amount=amount, **fields)
        address = address_of(link.reference)
        return Made(Answer.of(HTTPStatus.CREATED, link_object(link), Location=address), link.reference)


class OnePaymentLink(ApiView):
    """One payment link."""

    methods: ClassVar = {
        "GET": Described(
            name="getPaymentLink",
            summary="Read a payment link",
            scope=Scope.PAYMENTS_READ,
            answers={200: PaymentLinkObject},
            problems=(catalogue.LINK_NOT_FOUND,),
        )
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return the link."""
        return Answer.of(200, link_object(links.link_of(self.merchant, reference)))


class DisablePaymentLink(ApiView):
    """The resource that disables one payment link."""

    methods: ClassVar = {
        "POST": Described(
            name="disablePaymentLink",
            summary="Disable a link, so that it makes no more payments; existing payments can still be paid",
            scope=Scope.PAYMENTS_CREATE,
            body=NoFields,
            answers={200: PaymentLinkObject},
            problems=(catalogue.LINK_NOT_FOUND,),
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Disable the link. If it is disabled already, nothing changes."""
        _ = self.body
        return Answer.of(200, link_object(links.disable_link(self.merchant, reference)))
