"""Two members of staff press the button at the same time, on a database that locks rows."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from checkout.api.access.keys import make_key
from checkout.api.models import ApiKey
from checkout.payments.models import Operation
from checkout.webhooks.models import WebhookEndpoint
from tests.backoffice import rows
from tests.backoffice.operating import address, opened
from tests.payments.service.at_once import at_once

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("kind", "make"), [("capture", rows.authorised), ("refund", rows.captured)])
def test_only_one_of_those_who_want_the_same_money_gets_it(admin_user, kind, make):
    payment = make()
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(admin_user)
    forms = [{**opened(client, payment, kind), "reason": "x", "confirmed": "yes"} for client in clients]

    def press(client, form):
        return lambda: client.post(address(payment, kind), form, follow=True)

    pages = at_once(*map(press, clients, forms))
    assert Operation.objects.filter(kind=kind, requested_by="admin").count() == 1
    texts = sorted("Nothing was requested." in page.content.decode() for page in pages)
    assert texts == [False, True]


@pytest.mark.parametrize(("kind", "make"), [("capture", rows.authorised), ("refund", rows.captured)])
def test_the_second_of_two_who_refund_a_part_at_the_same_time_is_told_of_the_first(admin_user, kind, make):
    payment = make()
    clients = [Client(), Client(), Client()]
    for client in clients:
        client.force_login(admin_user)
    part = {"amount": "4.00", "reason": "One cup is broken", "confirmed": "yes"}
    forms = [{**opened(client, payment, kind), **part} for client in clients]

    def press(client, form):
        return lambda: client.post(address(payment, kind), form, follow=True).content.decode()

    pages = at_once(*map(press, clients, forms))
    assert Operation.objects.filter(kind=kind, requested_by="admin").count() == 1
    assert sum("£8.50 is left now" in page for page in pages) == 2


def test_a_double_click_requests_once(admin_user):
    payment = rows.captured()
    client = Client()
    client.force_login(admin_user)
    form = {**opened(client, payment, "refund"), "reason": "x", "confirmed": "yes"}
    pages = at_once(*(lambda: client.post(address(payment, "refund"), form) for _ in range(4)))
    assert {page["Location"] for page in pages} == {address(payment, "change")}
    assert Operation.objects.filter(kind="refund").count() == 1


def pressed_thrice(admin_user, path, form):
    """Send a form with a one-time key three times at the same time, and return the answers' statuses."""
    client = Client()
    client.force_login(admin_user)
    sent = {**form, "form_key": str(uuid4())}
    return sorted(page.status_code for page in at_once(*(lambda: client.post(path, sent) for _ in range(3))))


def test_a_double_click_makes_one_key(admin_user):
    form = {"merchant": rows.merchant().pk, "name": "back end", "scopes": ["payments:read"]}
    assert pressed_thrice(admin_user, reverse("admin:api_apikey_add"), form) == [200, 302, 302]
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("hours", [0, 24])
def test_a_double_click_rotates_a_key_once(admin_user, hours):
    key = make_key(rows.merchant(), name="back end", by="ada")[0]
    path = reverse("admin:api_apikey_rotate", args=[key.pk])
    assert pressed_thrice(admin_user, path, {"hours": hours}) == [200, 302, 302]
    assert key.successors.count() == 1


def test_a_double_click_adds_one_endpoint(admin_user):
    form = {"merchant": rows.merchant().code, "url": "https://shop.example/hook", "payload": "full"}
    path = reverse("admin:webhooks_webhookendpoint_add")
    assert pressed_thrice(admin_user, path, form) == [200, 302, 302]
    assert WebhookEndpoint.objects.count() == 1
