"""Endpoints that several programs of a merchant add at the same moment."""

import pytest

from checkout.errors import RequestInvalid
from checkout.webhooks.actions import MOST_ENDPOINTS, create_endpoint
from checkout.webhooks.models import WebhookEndpoint
from tests.payments.service.at_once import at_once

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def add() -> str:
    try:
        create_endpoint("a-shop", "https://shop.example/hooks")
    except RequestInvalid as error:
        return error.field
    return "added"


def test_the_last_place_for_an_endpoint_is_given_once():
    for _ in range(MOST_ENDPOINTS - 1):
        add()
    assert at_once(*[add] * 8).count("added") == 1
    assert WebhookEndpoint.objects.count() == MOST_ENDPOINTS
