"""Webhook endpoints: create, read, change, delete, enable, disable, rotate the secret, and test."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.models import IdempotencyRecord
from checkout.api.requests.description import Described, IdempotencyKey
from checkout.api.requests.idempotency import Made, answer_in, once
from checkout.api.requests.view import ApiView
from checkout.api.resources import webhook_inputs
from checkout.api.resources.inputs import Page
from checkout.api.resources.lists import ListObject, list_of
from checkout.api.resources.locations import address_of
from checkout.payments.actions import payment_queries
from checkout.webhooks import actions
from checkout.webhooks.delivery_queries import new_secret_of
from checkout.webhooks.objects import (
    DeletedWebhookEndpointObject,
    DeliveryObject,
    NewWebhookSecretObject,
    WebhookEndpointObject,
    delivery_objects,
    endpoint_object,
    endpoint_objects,
    endpoint_with_secret,
)
from messaging.libraries import typed


class SecretMaking(ApiView):
    """A view whose answer has a new secret.

    The stored answer lacks the secret, which is encrypted in another table. It is added to the first answer
    and, for a while, to repeated answers.
    """

    def once_with_secret(self, make: Callable[[], actions.NewSecret]) -> Answer:
        """Make the secret, unless the request is a repetition. Return the answer with the secret."""
        keyed = self.idempotency_key
        assert keyed is not None  # noqa: S101  it is required

        def act() -> Made:
            endpoint = make().endpoint
            document = endpoint_with_secret(endpoint, None)
            address = address_of(endpoint.reference)
            return Made(Answer.of(HTTPStatus.CREATED, document, Location=address), endpoint.reference)

        record, is_replay = once(keyed, act)
        return self._with_secret(record, is_replay=is_replay)

    def _with_secret(self, record: IdempotencyRecord, *, is_replay: bool) -> Answer:
        stored = answer_in(record, is_replay=is_replay)
        document = typed.decode(stored.body, NewWebhookSecretObject)
        newest = document.public_keys[0]
        secret = new_secret_of(self.merchant.code, record.subject, newest, record.created_at)
        shown = msgspec.structs.replace(document, secret=secret)
        return Answer(stored.status, msgspec.json.encode(shown), stored.headers)


class WebhookEndpoints(SecretMaking):
    """All endpoints of the merchant."""

    methods: ClassVar = {
        "GET": Described(
            name="listWebhookEndpoints",
            summary="List webhook endpoints, the newest first",
            scope=Scope.WEBHOOKS_READ,
            query=Page,
            answers={200: ListObject[WebhookEndpointObject]},
        ),
        "POST": Described(
            name="createWebhookEndpoint",
            summary="Create a webhook endpoint; the answer has its secret, which is shown once",
            scope=Scope.WEBHOOKS_WRITE,
            body=webhook_inputs.CreateWebhookEndpoint,
            key=IdempotencyKey.REQUIRED,
            answers={201: NewWebhookSecretObject},
        ),
    }

    def get(self, request: Request) -> Answer:
        """Return a page."""
        rows = actions.endpoints_of(self.merchant.code)
        page = payment_queries.page_of(self.merchant.code, rows, objects=endpoint_objects, **self.query)
        return Answer.of(200, list_of(page))

    def post(self, request: Request) -> Answer:
        """Create an endpoint."""
        wanted = self.body
        return self.once_with_secret(
            lambda: actions.create_endpoint(self.merchant.code, api_version=self.api_version, **wanted)
        )


def _described(name: str, summary: str, body: Any = None, *problems: Any, **options: Any) -> Described:
    options = {"scope": Scope.WEBHOOKS_WRITE, "answers": {200: WebhookEndpointObject}, **options}
    return Described(
        name=name, summary=summary, body=body, problems=(catalogue.WEBHOOK_NOT_FOUND, *problems), **options
    )


class OneWebhookEndpoint(ApiView):
    """One endpoint."""

    methods: ClassVar = {
        "GET": _described(
            "getWebhookEndpoint",
            "Read a webhook endpoint, and why it is disabled if it is",
            scope=Scope.WEBHOOKS_READ,
        ),
        "PATCH": _described(
            "changeWebhookEndpoint",
            "Change the fields that are given",
            webhook_inputs.ChangeWebhookEndpoint,
        ),
        "DELETE": _described(
            "deleteWebhookEndpoint",
            "Delete a webhook endpoint and its secrets: nothing more is sent to it",
            answers={200: DeletedWebhookEndpointObject},
        ),
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return the endpoint."""
        return Answer.of(200, endpoint_object(actions.endpoint_of(self.merchant.code, reference)))

    def patch(self, request: Request, reference: str) -> Answer:
        """Change the endpoint. From now on, all attempts use the new values."""
        changed = actions.change_endpoint(self.merchant.code, reference, **self.body)
        return Answer.of(200, endpoint_object(changed))

    def delete(self, request: Request, reference: str) -> Answer:
        """Delete the endpoint."""
        actions.delete_endpoint(self.merchant.code, reference)
        return Answer.of(200, DeletedWebhookEndpointObject(id=reference))


class EnableEndpoint(ApiView):
    """The resource that enables one endpoint."""

    methods: ClassVar = {
        "POST": _described(
            "enableWebhookEndpoint",
            "Enable a webhook endpoint, and send its pending deliveries",
            webhook_inputs.NoFields,
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Enable the endpoint. If it is enabled already, its pending deliveries are sent now."""
        _ = self.body
        return Answer.of(200, endpoint_object(actions.enable(self.merchant.code, reference)))


class DisableEndpoint(ApiView):
    """The resource that disables one endpoint."""

    methods: ClassVar = {
        "POST": _described(
            "disableWebhookEndpoint",
            "Disable a webhook endpoint; its pending deliveries wait",
            webhook_inputs.DisableWebhookEndpoint,
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Disable the endpoint. If it is disabled already, its reason does not change."""
        reason = self.body["reason"]
        return Answer.of(200, endpoint_object(actions.disable(self.merchant.code, reference, reason)))


class RotateSecret(SecretMaking):
    """The resource that makes a new secret for one endpoint."""

    methods: ClassVar = {
        "POST": _described(
            "rotateWebhookSecret",
            "Make a new secret, which is shown once; for a while the old secret signs as well",
            webhook_inputs.NoFields,
            catalogue.NOT_POSSIBLE_NOW,
            key=IdempotencyKey.REQUIRED,
            answers={201: NewWebhookSecretObject},
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Make a new secret."""
        _ = self.body
        return self.once_with_secret(lambda: actions.rotate_secret(self.merchant.code, reference))


class PingEndpoint(ApiView):
    """The resource that sends a test event to one endpoint."""

    methods: ClassVar = {
        "POST": _described(
            "pingWebhookEndpoint",
            "Send a test event, of the type webhook.test",
            webhook_inputs.NoFields,
            catalogue.ENDPOINT_DISABLED,
            key=IdempotencyKey.REQUIRED,
            answers={201: DeliveryObject},
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Send a test event. The result is in its delivery."""
        keyed = self.idempotency_key
        assert keyed is not None  # noqa: S101  it is required
        record, is_replay = once(keyed, lambda: self._ping(reference))
        return answer_in(record, is_replay=is_replay)

    def _ping(self, reference: str) -> Made:
        delivery = actions.ping(self.merchant.code, reference)
        [document] = delivery_objects([delivery])
        address = address_of(delivery.reference)
        return Made(Answer.of(HTTPStatus.CREATED, document, Location=address), delivery.reference)
