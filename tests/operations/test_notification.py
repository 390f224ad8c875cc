"""A notification is stored before it is acknowledged, once, and only from where its provider sends."""

import json

import pytest

from checkout.database import in_thread
from checkout.errors import NotificationRejected, ProviderMisconfigured, SenderNotAllowed
from checkout.models import OutboxMessage, ProviderAccount, ProviderNotification
from checkout.operations import record_notification
from tests.services.conftest import _credentials, account, books

__all__ = ["_credentials", "account", "books"]

pytestmark = pytest.mark.django_db

BODY = json.dumps(
    {
        "merchant_code": "TWINMERCHANT",
        "order_code": "pay_1-1",
        "event": "AUTHORISED",
        "minor": 1250,
        "currency": "GBP",
        "reference": "",
        "number": 1,
    }
).encode()


def only_from(account: ProviderAccount, networks: object) -> None:
    account.options = {"notification_networks": networks}
    account.save()


def test_it_is_stored_once_and_acknowledged_each_time(account: ProviderAccount):
    first, *again = [record_notification("twin", BODY) for _ in range(3)]
    assert {recorded.acknowledgement.status for recorded in (first, *again)} == {200}
    assert ProviderNotification.objects.get().copies == 3
    assert [recorded.owed for recorded in again] == [None, None]
    row = OutboxMessage.objects.get()
    assert first.owed == row
    assert (row.type, row.subject) == ("payments.apply_notification", "pay_1")


def test_what_cannot_be_read_is_not_stored(account: ProviderAccount):
    with pytest.raises(NotificationRejected):
        record_notification("twin", b"{")
    assert not ProviderNotification.objects.exists()


@pytest.mark.parametrize("sender", ["192.0.2.1", "192.0.2.255", "2001:db8::17", "::ffff:192.0.2.1"])
def test_an_address_of_its_provider_is_let_in(account: ProviderAccount, sender: str):
    only_from(account, ["192.0.2.0/24", "2001:db8::/32"])
    record_notification("twin", BODY, sender=sender)
    assert ProviderNotification.objects.exists()


@pytest.mark.parametrize(
    "sender", ["192.0.3.1", "2001:db9::17", "127.0.0.1", "", "unix:", "192.0.2.1, 1.1.1.1"]
)
def test_any_other_address_is_not(account: ProviderAccount, sender: str):
    only_from(account, ["192.0.2.0/24", "2001:db8::/32"])
    with pytest.raises(SenderNotAllowed):
        record_notification("twin", BODY, sender=sender)
    assert not ProviderNotification.objects.exists()


@pytest.mark.parametrize(
    "networks", [["192.0.2.0/24", "everywhere"], ["192.0.2.1/24"], "10.0.0.0/8", 5, None]
)
def test_a_mistake_in_the_list_lets_nobody_in(account: ProviderAccount, networks: object):
    only_from(account, networks)
    with pytest.raises(ProviderMisconfigured):
        record_notification("twin", BODY, sender="192.0.2.1")


def test_an_empty_list_lets_nobody_in(account: ProviderAccount):
    only_from(account, [])
    with pytest.raises(SenderNotAllowed):
        record_notification("twin", BODY, sender="192.0.2.1")


def test_without_a_list_every_address_is_let_in(account: ProviderAccount):
    record_notification("twin", BODY, sender="203.0.113.9")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("networks", "status"), [(["127.0.0.0/8"], 200), (["192.0.2.0/24"], 403)])
async def test_the_address_is_that_of_the_request(account, async_client, networks, status):
    await in_thread(only_from, account, networks)
    response = await async_client.post("/notifications/twin/", BODY, content_type="application/json")
    assert response.status_code == status
    assert await in_thread(ProviderNotification.objects.exists) == (status == 200)
