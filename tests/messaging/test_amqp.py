"""Addresses of brokers, and the reading of messages that break the contract."""

import ssl

import pika
import pytest
from pika.spec import Basic, BasicProperties

from messaging.dead_letters import letter as dead_letters
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.rabbitmq.amqp import connection_parameters, delivery_of


def test_an_address_is_taken_apart():
    parameters = connection_parameters("amqp://us%40er:p%2Fw@broker.example:5673/shop%2Fone", "name")
    assert (parameters.host, parameters.port, parameters.virtual_host) == ("broker.example", 5673, "shop/one")
    assert isinstance(parameters.credentials, pika.PlainCredentials)
    assert (parameters.credentials.username, parameters.credentials.password) == ("us@er", "p/w")
    assert parameters.heartbeat == 10
    assert parameters.tcp_options is not None
    assert parameters.tcp_options["TCP_USER_TIMEOUT"] == 8000
    assert parameters.ssl_options is None


@pytest.mark.parametrize("path", ["", "/", "/%2F"])
def test_the_usual_virtual_host_may_be_left_out(path: str):
    assert connection_parameters(f"amqp://localhost{path}", "name").virtual_host == "/"


def test_amqps_verifies_certificate_and_host():
    parameters = connection_parameters("amqps://broker.example/", "name")
    assert parameters.port == 5671
    options = parameters.ssl_options
    assert options is not None
    assert options.server_hostname == "broker.example"
    assert options.context.verify_mode is ssl.CERT_REQUIRED
    assert options.context.check_hostname
    assert options.context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_any_other_scheme_is_refused():
    with pytest.raises(ValueError, match="amqp"):
        connection_parameters("http://localhost/", "name")


def arrived(body: bytes = b"{}", **properties: object) -> Delivery:
    about = {"type": "reply", "content_type": "application/json", "correlation_id": "7::risk:1"}
    sent = BasicProperties(**{**about, "headers": {"subject": "pay_1"}, **properties})  # type: ignore[arg-type]
    return delivery_of("checkout.replies.saga", Basic.Deliver(), sent, body)


def remains(**properties: object) -> Envelope:
    delivery = arrived(**properties)  # type: ignore[arg-type]
    assert delivery.envelope is None
    assert delivery.remains is not None
    return delivery.remains


def test_of_a_message_without_an_id_is_known_what_it_is_about_and_who_sent_it():
    read = remains(user_id="risk", app_id="foreign")
    assert (read.correlation_id, read.subject) == ("7::risk:1", "pay_1")
    assert (read.user_id, read.app_id, read.type) == ("risk", "foreign", "reply")


@pytest.mark.parametrize(
    "properties",
    [
        {"message_id": "m", "headers": {"subject": 5}},
        {"message_id": "m", "headers": {"subject": "pay_1", "deadline": "soon"}},
        {"message_id": "m", "headers": {b"\xff": "x"}},
        {"message_id": b"\xff"},
        {"message_id": "m", "body": b"x" * 300_000},
    ],
    ids=["subject", "deadline", "header's name", "id", "size"],
)
def test_whatever_is_wrong_with_it_its_asker_is_known(properties: dict[str, object]):
    assert remains(**properties).correlation_id == "7::risk:1"


def test_a_body_that_nobody_can_read_leaves_its_size_and_digest_only():
    assert b"secret" not in remains(body=b"secret").body


def test_three_messages_without_ids_are_three_dead_letters_and_one_that_comes_again_is_one():
    def id_of(correlation_id: str) -> str:
        return dead_letters.of(arrived(correlation_id=correlation_id), "checkout", "why").message_id

    assert len({id_of(f"{number}::risk:1") for number in (7, 8, 9)}) == 3
    assert id_of("7::risk:1") == id_of("7::risk:1")
