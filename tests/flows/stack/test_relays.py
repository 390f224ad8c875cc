"""Two relay processes: dead letters are stored and can be sent again, and one relay is enough."""

import pika
import pytest

from checkout.tryout.scenarios import FRICTIONLESS
from messaging.access.proofs import prove
from messaging.envelope import Envelope
from tests.flows.stack.shopping import paid_once, rows, shopper_at
from tests.sandbox.merchant import Merchant
from tests.support.broker_users import url_of
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.long, pytest.mark.timeout(400)]

KEPT = "SELECT copies, service, (headers - 'proof')::text FROM payments_deadletter WHERE requeued_at IS NULL"
NOT_REFUNDED = "SELECT 1 FROM payments_operation WHERE kind = 'refund' AND state <> 'done'"
CAPTURED = "SELECT 1 FROM payments_payment WHERE reference = %s AND state = 'captured'"


def test_poison_is_put_aside_with_others_going_on_and_dies_again_when_it_is_sent_again(start_stack):
    stack = start_stack(copies={"relay": 2}, environment={"CHECKOUT_RECONCILIATION_SECONDS": "86400"})
    publish_poison(stack)
    wait_until(lambda: rows(stack, KEPT), "the dead letter")
    assert rows(stack, KEPT) == [(1, "risk", '{"schema-version": 1}')]
    paid_once(stack, pays(stack))
    stack.manage(
        "shell",
        "--command",
        "from checkout.payments.models import DeadLetter;"
        " from checkout.payments.actions import requeue_dead_letter;"
        " requeue_dead_letter(DeadLetter.objects.get().pk, by='Ada')",
    )
    wait_until(lambda: [row[0] for row in rows(stack, KEPT)] == [2], "it to die again")


def test_when_one_of_two_relays_dies_the_other_does_all_the_work(start_stack):
    stack = start_stack(
        copies={"relay": 2},
        environment={"CHECKOUT_RECONCILIATION_SECONDS": "86400"},
        own={"relay": {"CHECKOUT_CRASH_AT": "relay.taken"}},
    )
    shoppers = []
    while stack.programs["relay"].is_alive:
        shoppers.append(asks_for_a_refund(stack))
        wait_until(
            lambda: not stack.programs["relay"].is_alive or not rows(stack, NOT_REFUNDED),
            "a refund to be made, or the relay to die of it",
        )
    shoppers.append(asks_for_a_refund(stack))
    # The rows that the dead relay had taken are due again after its lease of 30 s.
    wait_until(lambda: not rows(stack, NOT_REFUNDED), "every refund to be made", seconds=80)
    for shopper in shoppers:
        (order,) = Merchant(stack.sandbox_url).statement(prefix=shopper.reference)["orders"]
        assert order["refunded"] == order["captured"] > 0


def asks_for_a_refund(stack):
    """Return a shopper who has paid, and whose refund staff have requested for the relay to publish."""
    shopper = pays(stack)
    paid_once(stack, shopper)
    wait_until(lambda: is_told(stack, shopper), "the provider's word of the capture")
    stack.manage(
        "shell",
        "--command",
        "from checkout.payments.actions import request_refund;"
        f" request_refund('{shopper.reference}', by='Ada')",
    )
    return shopper


def pays(stack):
    shopper = shopper_at(stack, FRICTIONLESS)
    shopper.pay(shopper.order())
    return shopper


def is_told(stack, shopper) -> bool:
    return bool(rows(stack, CAPTURED, shopper.reference))


def publish_poison(stack) -> None:
    poison = Envelope(
        type="risk.assess",
        # The database has no column for such an amount, so the handler fails each time.
        body=b'{"payment": "pay_unknown", "minor": 100000000000000000000, "currency": "EUR"}',
        message_id="poison",
        headers={"schema-version": 1},
    )
    properties = pika.BasicProperties(
        type=poison.type,
        message_id=poison.message_id,
        user_id="checkout.checkout",
        content_type="application/json",
        delivery_mode=2,
        headers={**prove(poison).headers, "sealed": "a card"},
    )
    sender = url_of("checkout", stack.broker_url)
    with pika.BlockingConnection(pika.URLParameters(sender)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("checkout.commands", "risk", poison.body, properties, mandatory=True)
