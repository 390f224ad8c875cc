"""The reading of messages that break the contract."""

import pytest
from pika.spec import Basic, BasicProperties

from messaging.dead_letters import letter as dead_letters
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.rabbitmq.amqp import delivery_of


def arrived(body: bytes = b"{}", **properties: object) -> Delivery:
    about = {"type": "reply", "content_type": "application/json", "correlation_id": "7::risk:1"}
    sent = BasicProperties(**{**about, "headers": {"subject": "pay_1"}, **properties})  # type: ignore[arg-type]
    return delivery_of("checkout.replies.saga", Basic.Deliver(), sent, body)


def remains(**properties: object) -> Envelope:
    delivery = arrived(**properties)  # type: ignore[arg-type]
    assert delivery.envelope is None
    assert delivery.remains is not None
    return delivery.remains


def test_subject_and_sender_of_a_message_without_an_id_are_known():
    read = remains(user_id="risk", app_id="foreign")
    assert (read.correlation_id, read.subject) == ("7::risk:1", "pay_1")
    assert (read.user_id, read.app_id, read.type) == ("risk", "foreign", "reply")


@pytest.mark.parametrize(
    "properties",
    [
        {"message_id": "m", "headers": {"subject": 5}},
        {"message_id": "m", "headers": {"subject": "pay_1", "deadline": "soon"}},
        {"message_id": b"\xff"},
        {"message_id": "m", "body": b"x" * 300_000},
    ],
    ids=["subject", "deadline", "id", "size"],
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
