"""The topology: existing exchanges and queues, beside those that should exist."""

from typing import Any

import pytest

from checkout.management.gateway.expected import expected_queues, topology
from checkout.running.services import SERVICES
from checkout.webhooks.service import service as webhooks
from tests.management.gateway.conftest import Gateway, as_json


@pytest.mark.usefixtures("readers")
def test_everything_is_there(gateway: Gateway):
    code, output = gateway("topology")
    assert code == 0
    assert "checkout.commands.risk           0      1        ok" in output
    assert "← checkout.commands risk" in output
    assert "x-overflow=reject-publish" in output


def test_a_broker_in_another_process_is_out_of_sight(gateway: Gateway, settings: Any):
    settings.BROKER_URL = "memory://elsewhere"
    code, output = gateway("topology")
    assert code == 0
    assert "cannot be seen" in output


@pytest.mark.rabbitmq
def test_missing_and_different_queues_are_told(gateway: Gateway, settings: Any, rabbitmq_url: str):
    import pika

    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("checkout.commands.risk", durable=True, arguments={"x-queue-type": "quorum"})
        channel.exchange_declare("checkout.events", "fanout", durable=True)
    settings.BROKER_URL = rabbitmq_url
    code, output = gateway("topology", "--json")
    assert code == 1
    queues = {queue["name"]: queue for queue in as_json(output)["queues"]}
    assert "inequivalent arg 'x-" in queues["checkout.commands.risk"]["fault"]
    assert queues["checkout.commands.orders"]["exists"] is False
    exchanges = {each["name"]: each["fault"] for each in as_json(output)["exchanges"]}
    assert "inequivalent arg 'type'" in exchanges["checkout.events"]
    with (
        pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection,
        pytest.raises(pika.exceptions.ChannelClosedByBroker),
    ):
        connection.channel().queue_declare("checkout.commands.orders", passive=True)


@pytest.mark.rabbitmq
@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize("broker_url", ["rabbitmq"], indirect=True)
def test_bindings_are_shown_by_rabbitmqs_own_program(gateway: Gateway, broker_url: str):
    import pika

    from tests.support.environment import RABBITMQ_CONTROL

    code, output = gateway("topology", "--control", RABBITMQ_CONTROL)
    assert code == 0, output
    assert "← checkout.commands risk  ok" in output
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        connection.channel().queue_unbind("checkout.commands.risk", "checkout.commands", "risk")
    code, output = gateway("topology", "--control", RABBITMQ_CONTROL)
    assert code == 1
    assert "← checkout.commands risk  MISSING" in output


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize("broker_url", [pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)], indirect=True)
def test_a_program_that_cannot_be_read_is_said(gateway: Gateway):
    code, output = gateway("topology", "--control", "sudo 'rabbitmqctl")
    assert code == 1, "the bindings were not compared"
    assert "No closing quotation" in output
    assert "No closing quotation" in as_json(gateway("topology", "--control", "'", "--json")[1])["remark"]
    assert gateway("topology")[0] == 0


def test_what_is_expected_is_what_each_service_declares():
    """Other arguments than declared would be reported as a fault of the broker."""
    declared = [queue for service in (*SERVICES.values(), webhooks) for queue in service.queues(topology())]
    expected = [each.queue for each in expected_queues()]
    assert [queue for queue in declared if queue not in expected] == []
