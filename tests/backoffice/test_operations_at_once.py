"""Two members of staff press the button at the same time, on a database that locks rows."""

import pytest
from django.test import Client

from checkout.payments.models import Operation
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


def test_a_double_click_requests_once(admin_user):
    payment = rows.captured()
    client = Client()
    client.force_login(admin_user)
    form = {**opened(client, payment, "refund"), "reason": "x", "confirmed": "yes"}
    pages = at_once(*(lambda: client.post(address(payment, "refund"), form) for _ in range(4)))
    assert {page["Location"] for page in pages} == {address(payment, "change")}
    assert Operation.objects.filter(kind="refund").count() == 1
