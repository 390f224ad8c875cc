"""Timers for which no payment waits: programs run them, and most tests of flows leave them out."""

import asyncio

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import InboxMessage
from checkout.payments.timers.timer import Timer
from checkout.running import embedded, relay, webhooks
from checkout.webhooks.service import EndpointCache
from messaging.registry import close_brokers, get_broker
from tests.flows.shopping import eventually


async def test_timers_run_unless_they_are_left_out(shop, books):
    long_ago = timezone.now() - 2 * conf.retention
    old = InboxMessage(consumer="orders", message_id="old", received_at=long_ago, handled_at=long_ago)
    await old.asave()
    get_broker().open()
    async with embedded.running():
        await eventually(InboxMessage.objects.filter(message_id="old").exists, False)
    await close_brokers()


@pytest.mark.django_db
def test_none_of_those_that_take_payments_further_is_left_out():
    stop = asyncio.Event()
    of_the_relay = names(relay.timers(stop)) - names(relay.timers(stop, with_upkeep=False))
    assert of_the_relay == {
        "old messages",
        "old notifications",
        "old events",
        "tokens under an earlier secret key",
        "secrets of authenticator apps",
        "answers of the API",
        "what was counted",
        "figures",
        "totals of the ledger",
        "reconciliation",
    }
    of_webhooks = names(webhooks.timers(EndpointCache())) - names(
        webhooks.timers(EndpointCache(), with_upkeep=False)
    )
    assert of_webhooks == {"old webhooks", "deleted webhook endpoints", "webhook secrets"}


def names(timers: list[Timer]) -> set[str]:
    return {timer.name for timer in timers}
