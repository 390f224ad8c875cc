"""Disputes: list and read them, and add the evidence with which they are answered."""

import base64
import binascii
from http import HTTPStatus
from typing import Any, ClassVar

from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.requests.description import Described, IdempotencyKey
from checkout.api.requests.fields import Strict, Text
from checkout.api.requests.idempotency import Made, answer_in, once
from checkout.api.requests.view import ApiView
from checkout.api.resources import inputs
from checkout.api.resources.lists import ListObject, list_of
from checkout.errors import RequestInvalid
from checkout.payments.actions import disputes, payment_queries
from checkout.payments.objects.dispute import DisputeObject, dispute_object


class EvidenceInput(Strict):
    """A file: a whole PDF, PNG or JPEG without card numbers."""

    name = Text(max_length=200, help_text="The name of the file.", example="proof-of-delivery.pdf")
    content = Text(
        max_length=9_999_999,
        help_text="The content in base64 (RFC 4648, section 4). The file has at most 190 kB, unless the "
        "gateway is configured otherwise.",
        example="JVBERi0xLjcgLi4u",
    )
    description = Text(
        required=False,
        allow_blank=True,
        max_length=200,
        default="",
        help_text="What the file shows.",
        example="Signed for on 24 November",
    )


class Disputes(ApiView):
    """All disputes of the merchant."""

    methods: ClassVar = {
        "GET": Described(
            name="listDisputes",
            summary="List disputes, the newest payment first",
            scope=Scope.PAYMENTS_READ,
            query=inputs.Page,
            answers={200: ListObject[DisputeObject]},
        )
    }

    def get(self, request: Request) -> Answer:
        """Return a page."""
        page = payment_queries.page_of(
            self.merchant.code,
            disputes.disputes_of(self.merchant),
            objects=lambda found: list(map(dispute_object, found)),
            **self.query,
        )
        return Answer.of(200, list_of(page))


class OneDispute(ApiView):
    """The dispute of one payment."""

    methods: ClassVar = {
        "GET": Described(
            name="getDispute",
            summary="Read the dispute of a payment",
            scope=Scope.PAYMENTS_READ,
            answers={200: DisputeObject},
            problems=(catalogue.DISPUTE_NOT_FOUND,),
        )
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return the dispute."""
        return Answer.of(200, dispute_object(disputes.dispute_of(self.merchant, reference)))


class DisputeEvidence(ApiView):
    """The evidence of one dispute."""

    methods: ClassVar = {
        "POST": Described(
            name="addDisputeEvidence",
            summary="Add a file with which the dispute is answered; the same content is kept once",
            scope=Scope.DISPUTES_WRITE,
            body=EvidenceInput,
            key=IdempotencyKey.REQUIRED,
            answers={201: DisputeObject},
            problems=(catalogue.DISPUTE_NOT_FOUND,),
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Keep the file, and return the dispute with it."""
        wanted, keyed = self.body, self.idempotency_key
        assert keyed is not None  # noqa: S101  it is required
        record, is_replay = once(keyed, lambda: self._add(reference, wanted))
        return answer_in(record, is_replay=is_replay)

    def _add(self, reference: str, wanted: dict[str, Any]) -> Made:
        disputes.dispute_of(self.merchant, reference)
        kept = disputes.add_evidence(
            reference,
            name=wanted["name"],
            content=_content(wanted["content"]),
            description=wanted["description"],
            by=self.by,
            merchant=self.merchant,
        )
        answer = Answer.of(HTTPStatus.CREATED, dispute_object(disputes.dispute_of(self.merchant, reference)))
        return Made(answer, kept.reference)


def _content(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RequestInvalid("content", "This is not base64.") from None
