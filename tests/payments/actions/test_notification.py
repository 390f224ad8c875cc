"""A notification is stored once, before it is acknowledged, and only if it comes from its provider."""

import hashlib
import json
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.utils import timezone

from checkout.errors import NotificationFormatNotSupported, ProviderMisconfigured, SenderNotAllowed
from checkout.payments.actions import record_notification
from checkout.payments.actions.notification import Recorded
from checkout.payments.actions.staff.handling import NEEDS_ATTENTION
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import OutboxMessage, ProviderAccount, ProviderNotification
from checkout.payments.providers.registry import ADAPTERS
from checkout.payments.timers.unmatched import try_unmatched_again
from messaging.concurrency.database import in_thread
from messaging.conf import conf
from messaging.outbox.month import Month
from tests.payments.service.conftest import _credentials, account, books
from tests.support.memory_provider.provider import MemoryProvider
from tests.support.parsers import ParserOfOtherProduct, ParserWithDefect
from tests.support.remembering import remembering

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
    row = ProviderNotification.objects.get()
    assert first.owed is not None
    assert (json.loads(first.owed.body), first.owed.subject) == ({"notification": row.pk}, "pay_1")
    assert first.owed.type == ApplyNotification.to


def test_a_timer_sends_the_same_command_again_once_if_it_may_be_lost(account: ProviderAccount):
    record_notification("twin", BODY + b" ")
    assert try_unmatched_again() == 0, "whoever has stored it sends the command first"
    recorded = recorded_a_while_ago()
    assert (try_unmatched_again(), try_unmatched_again()) == (1, 0)
    row = OutboxMessage.objects.get()
    assert (row.type, row.published_at) == ("payments.apply_notification", None)
    assert recorded.owed is not None
    assert (row.message_id, row.subject) == (recorded.owed.message_id, recorded.owed.subject)
    assert is_of_this_month(row.message_id)


def test_what_is_stored_anew_is_applied_by_another_command(account: ProviderAccount):
    as_hint = record_notification("twin", BODY)
    proven = record_notification("twin", BODY, is_proven=True)
    assert proven.owed is not None
    assert as_hint.owed is not None
    assert proven.owed.body == as_hint.owed.body
    assert proven.owed.message_id != as_hint.owed.message_id


def test_it_is_sent_again_although_its_account_cannot_be_opened_any_more(account: ProviderAccount, settings):
    recorded_a_while_ago()
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert try_unmatched_again() == 1
    assert OutboxMessage.objects.get().subject == "pay_1"


def recorded_a_while_ago() -> Recorded:
    """Record a notification that is so old that web should have sent its command already."""
    with time_machine.travel(timezone.now() - timedelta(seconds=conf.outbox_grace_seconds)):
        return record_notification("twin", BODY)


def is_of_this_month(message_id: str) -> bool:
    month = Month.of(timezone.now() + timedelta(seconds=5))
    return month.first_id <= message_id < month.next.first_id and UUID(message_id).version == 7


def test_an_account_is_not_read_again_within_a_second(account: ProviderAccount, django_assert_num_queries):
    with remembering() as clock:
        with django_assert_num_queries(2):
            record_notification("twin", BODY)
        with django_assert_num_queries(1):
            record_notification("twin", BODY + b" ")
        ProviderAccount.objects.update(options={"notification_networks": []})
        clock.now += 1
        with pytest.raises(SenderNotAllowed):
            record_notification("twin", BODY, sender="192.0.2.1")


@pytest.fixture
def parser(account: ProviderAccount, monkeypatch: pytest.MonkeyPatch):
    """Give the account a provider of its own. Return a function that sets the provider's adapter."""
    ProviderAccount.objects.update(provider="parser")

    def use(adapter: type[MemoryProvider]) -> None:
        monkeypatch.setitem(ADAPTERS, "parser", f"{adapter.__module__}.{adapter.__name__}")

    return use


def test_no_adapter_is_given_what_proves_notifications(account: ProviderAccount, settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {
        "twin": {"user": "shop", "notification_secret": "s", "notification_user": "u"}
    }
    assert account.opened().credentials == {"user": "shop"}


def test_what_cannot_be_read_is_stored_for_staff_and_acknowledged(account: ProviderAccount, caplog):
    recorded = record_notification("twin", b"{", is_proven=True)
    assert recorded.acknowledgement.status == 200
    assert recorded.owed is None
    row = ProviderNotification.objects.get()
    assert row.state in NEEDS_ATTENTION
    assert (row.body, row.reason, row.is_proven) == ("{", "The notification cannot be understood.", True)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    record_notification("twin", b"{", is_proven=True)
    assert len(caplog.records) == 1, "the provider sends it again: that is no news"


def test_an_excerpt_of_a_hint_that_cannot_be_read_is_kept_and_nobody_is_alarmed(
    account: ProviderAccount, caplog
):
    body = b"{" * 10_000
    record_notification("twin", body)
    assert ProviderNotification.objects.get().body == "{" * 4096
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    record_notification("twin", body, is_proven=True)
    assert ProviderNotification.objects.get().body == "{" * 10_000, "all of what is proven is kept"
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_little_of_a_hint_that_can_be_read_is_kept_and_all_of_it_once_it_is_proven(account: ProviderAccount):
    body = json.dumps(json.loads(BODY) | {"unused": "x" * 60_000}).encode()
    record_notification("twin", body)
    row = ProviderNotification.objects.get()
    assert (row.body, row.state) == (body.decode()[:4096], ProviderNotification.State.RECEIVED)
    record_notification("twin", body, is_proven=True)
    row.refresh_from_db()
    assert (row.body, row.is_proven) == (body.decode(), True)


def test_a_provider_at_a_new_address_is_no_stranger_and_all_that_it_says_is_kept(account: ProviderAccount):
    only_from(account, ["192.0.2.0/24"])
    body = json.dumps(json.loads(BODY) | {"unused": "x" * 60_000}).encode()
    record_notification("twin", body, is_proven=True, sender="198.51.100.7")
    row = ProviderNotification.objects.get()
    assert (row.body, row.is_proven) == (body.decode(), False)


def test_the_beginning_of_a_notification_that_is_too_large_to_be_read_is_kept(account: ProviderAccount):
    body = b" " * 65_536 + BODY
    assert record_notification("twin", body).owed is None
    row = ProviderNotification.objects.get()
    assert (len(row.body), row.digest) == (4096, hashlib.sha256(body).hexdigest())
    assert str(len(body)) in row.reason


def test_a_defect_of_the_parser_holds_back_no_notification(account: ProviderAccount, parser, caplog):
    parser(ParserWithDefect)
    assert record_notification("twin", BODY).acknowledgement.status == 200
    row = ProviderNotification.objects.get()
    assert (row.state, row.reason) == ("unreadable", "the parser failed: ZeroDivisionError")
    assert "ERROR" in {record.levelname for record in caplog.records}


def test_the_format_of_another_product_is_stored_for_staff_and_refused(account: ProviderAccount, parser):
    parser(ParserOfOtherProduct)
    for _ in range(2):
        with pytest.raises(NotificationFormatNotSupported):
            record_notification("twin", b"OrderCode=1")
    row = ProviderNotification.objects.get()
    assert (row.state, row.copies) == ("unreadable", 2)
    assert "form" in row.reason


def test_the_format_of_another_product_blocks_nothing_that_the_provider_sends_after_it(
    account: ProviderAccount, parser
):
    parser(ParserOfOtherProduct)
    assert record_notification("twin", b"OrderCode=1", is_proven=True).acknowledgement.status == 200
    assert ProviderNotification.objects.get().state == "unreadable"


@pytest.mark.django_db(transaction=True)
async def test_the_sender_of_a_refused_notification_gets_a_problem_of_its_own(
    account: ProviderAccount, parser, async_client
):
    parser(ParserOfOtherProduct)
    response = await async_client.post("/notifications/twin/", b"a=b", content_type="text/plain")
    assert response.status_code == 415
    assert response.json()["type"] == "http://localhost:8000/problems/notification_format_not_supported"


def test_what_can_be_read_since_the_parser_was_mended_is_applied_when_it_is_sent_again(
    account: ProviderAccount, parser
):
    parser(ParserWithDefect)
    record_notification("twin", BODY, is_proven=True)
    parser(MemoryProvider)
    assert record_notification("twin", BODY, is_proven=True).owed is not None
    row = ProviderNotification.objects.get()
    assert (row.state, row.reason, row.copies) == ("received", "", 2)


def test_staff_who_dealt_with_a_hint_hear_of_it_again_when_it_is_proven(account: ProviderAccount):
    record_notification("twin", BODY)
    ProviderNotification.objects.update(
        state="conflicted", reason="a lie?", tries=2, dealt_with_at=timezone.now(), dealt_with_by="ada"
    )
    assert record_notification("twin", BODY, is_proven=True).owed is not None
    row = ProviderNotification.objects.get()
    assert (row.state, row.reason, row.tries, row.copies) == ("received", "", 0, 2)
    assert (row.is_proven, row.dealt_with_at, row.dealt_with_by) == (True, None, "")


def test_a_hint_takes_nothing_away_from_what_was_proven(account: ProviderAccount):
    record_notification("twin", BODY, is_proven=True)
    assert record_notification("twin", BODY).owed is None
    assert ProviderNotification.objects.get().is_proven


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


@pytest.mark.parametrize("sender", ["192.0.3.1", "127.0.0.1", "", "unix:"])
def test_with_the_right_secret_any_other_address_sends_a_hint(account: ProviderAccount, sender: str):
    only_from(account, ["192.0.2.0/24"])
    recorded = record_notification("twin", BODY, is_proven=True, sender=sender)
    assert recorded.acknowledgement.status == 200
    assert recorded.owed is not None
    assert not ProviderNotification.objects.get().is_proven
    record_notification("twin", BODY, is_proven=True, sender="192.0.2.1")
    assert ProviderNotification.objects.get().is_proven


def test_with_the_right_secret_no_address_blocks_what_comes_after_it(account: ProviderAccount, parser):
    only_from(account, ["192.0.2.0/24"])
    parser(ParserOfOtherProduct)
    record_notification("twin", BODY, is_proven=True, sender="192.0.3.1")
    assert not ProviderNotification.objects.get().is_proven


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
@pytest.mark.parametrize("networks", [["127.0.0.0/8"], ["192.0.2.0/24"]])
async def test_a_foreign_address_with_the_right_secret_is_acknowledged(
    account, async_client, networks, settings
):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"twin": {"notification_secret": "twins-secret-of-16"}}
    await in_thread(only_from, account, networks)
    path = "/notifications/twin/twins-secret-of-16/"
    response = await async_client.post(path, BODY, content_type="application/json")
    assert response.status_code == 200
    row = await in_thread(ProviderNotification.objects.get)
    assert row.is_proven == (networks == ["127.0.0.0/8"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("networks", "status"), [(["127.0.0.0/8"], 200), (["192.0.2.0/24"], 403)])
async def test_the_address_is_that_of_the_request(account, async_client, networks, status):
    await in_thread(only_from, account, networks)
    response = await async_client.post("/notifications/twin/", BODY, content_type="application/json")
    assert response.status_code == status
    assert await in_thread(ProviderNotification.objects.exists) == (status == 200)
