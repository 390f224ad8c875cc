"""The command that runs services: their selection, start and end."""

import os
import sys
from pathlib import Path

import pika
import pytest
from django.core.management import CommandError, call_command

from checkout.running.services import SERVICES
from messaging.access.proofs import prove
from messaging.envelope import Envelope, encode_body
from tests.support.program import Program
from tests.support.waiting import wait_until

RISK = {"payment": "pay_1", "minor": 1250, "currency": "GBP"}


@pytest.mark.parametrize("names", [["risk", "taxes"], []])
def test_a_service_that_does_not_exist_is_an_error_that_names_those_that_do(names):
    with pytest.raises(CommandError, match=", ".join(SERVICES)):
        call_command("run_service", *names)


def test_services_of_their_own_need_a_broker_that_processes_share():
    with pytest.raises(CommandError, match="memory://"):
        call_command("run_service", "risk")


def test_a_payments_service_that_could_open_no_card_does_not_start(settings):
    settings.CHECKOUT_TRY_OUT = False
    settings.CHECKOUT_CARD_KEYS = []
    settings.BROKER_URL = "amqp://checkout.payments@127.0.0.1:9/"
    with pytest.raises(CommandError, match="CHECKOUT_CARD_KEYS is not set; `openssl rand -base64 32`"):
        call_command("run_service", "risk", "payments")


@pytest.mark.parametrize(("command", "names"), [("run_service", ["risk"]), ("run_relay", [])])
def test_a_program_whose_broker_user_is_another_does_not_start(settings, command, names):
    settings.MESSAGING_SINGLE_BROKER_USER = False
    settings.BROKER_URL = "amqp://checkout.ledger:secret@localhost/"
    with pytest.raises(CommandError, match="nobody would listen to") as refused:
        call_command(command, *names)
    assert "secret" not in str(refused.value)


@pytest.mark.rabbitmq
@pytest.mark.postgresql
def test_told_to_stop_it_finishes_its_work_and_ends_well(
    tmp_path: Path, rabbitmq_url: str, postgresql_url: str
):
    environment = {**os.environ, "BROKER_URL": rabbitmq_url, "DATABASE_URL": postgresql_url}
    environment["DJANGO_SETTINGS_MODULE"] = "payments_gateway.settings"
    environment["CHECKOUT_SINGLE_BROKER_USER"] = "true"  # two services share a process
    program = Program(
        "services",
        [sys.executable, "manage.py", "run_service", "risk", "orders"],
        log=tmp_path / "log",
        environment=environment,
    )
    program.start()
    try:
        program.wait_for_line("service ready")
        assert "risk,orders" in program.text()
        with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
            channel = connection.channel()
            channel.queue_declare("answers")
            wait_until(lambda: _consumers(channel) == 1, "a consumer")
            _ask(channel)
            wait_until(lambda: channel.basic_get("answers", auto_ack=True)[0], "a reply")
            assert program.terminate() == 0
            assert _consumers(channel) == 0
    finally:
        program.kill()
    assert "Traceback" not in program.text()


def _consumers(channel: pika.adapters.blocking_connection.BlockingChannel) -> int:
    return channel.queue_declare("checkout.commands.risk", passive=True).method.consumer_count


def _ask(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    asked = Envelope(type="risk.assess", body=encode_body(RISK), correlation_id="1", reply_to="answers")
    envelope = prove(asked)
    channel.queue_bind("answers", "checkout.replies", routing_key="answers")
    properties = pika.BasicProperties(
        type=envelope.type,
        message_id=envelope.message_id,
        correlation_id=envelope.correlation_id,
        reply_to=envelope.reply_to,
        headers=dict(envelope.headers),
        content_type="application/json",
        timestamp=envelope.timestamp,
        delivery_mode=2,
    )
    channel.basic_publish("checkout.commands", "risk", envelope.body, properties)
