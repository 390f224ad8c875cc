"""Two web processes behind one port: a reply reaches the process that waits for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.flows.stack.shopping import paid_once, shopper_at
from tests.support.vhosts import queue_lengths

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]

PURCHASES = 30
TAP = "tap"


def test_every_answer_reaches_the_process_that_waits(start_stack):
    # A generous budget, since this test is about the routing of replies, not about speed.
    stack = start_stack(webs=2, environment={"CHECKOUT_REPLY_BUDGET_SECONDS": "45"})
    nodes = [name for name in queue_lengths(stack.broker_url) if name.startswith("checkout.node.")]
    shoppers = [shopper_at(stack) for _ in range(PURCHASES)]
    with pika.BlockingConnection(pika.URLParameters(stack.broker_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(TAP, exclusive=True)
        for node in nodes:
            channel.queue_bind(TAP, "checkout.replies", node)
        with ThreadPoolExecutor(PURCHASES) as windows:
            pages = list(windows.map(lambda shopper: shopper.pay(shopper.order()), shoppers))
        receivers = list(receivers_of_replies(channel))

    assert {
        page.url.partition(f"/{shopper.reference}")[2] for page, shopper in zip(pages, shoppers, strict=True)
    } == {"/result/"}
    assert not [hop for shopper in shoppers for hop in shopper.browser.hops if "/status/" in hop.url]
    assert len(receivers) == PURCHASES
    assert len(set(receivers)) == 2, "one of the two processes was never asked"
    for shopper in shoppers[:3]:
        paid_once(stack, shopper)


def receivers_of_replies(channel: BlockingChannel) -> Iterator[str]:
    """Yield the queue of each reply so far. Other messages that a process sends to itself are skipped."""
    while True:
        method, properties, _body = channel.basic_get(TAP, auto_ack=True)
        if method is None:
            return
        if properties.type == "reply":
            yield str(method.routing_key)
