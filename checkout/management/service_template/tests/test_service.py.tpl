"""The ${name} service does its work once, and undoes it for good."""

import pytest

from checkout.conf import conf
from checkout.own.step import validate_steps
from checkout.payments.models import InboxMessage, OutboxMessage
from messaging.envelope import Envelope, encode_body
from messaging.topology import Topology
from messaging.worker.service import Message

from ..messages import Begin, Result, Undo
from ..models import Work
from ..purchase_steps import STEPS
from ..service import begin, service, undo

pytestmark = pytest.mark.django_db

BEGIN = Begin(payment="pay_1", attempt="pay_1-1", minor=500, currency="EUR")
UNDO = Undo(attempt="pay_1-1")


def message_with(command: Begin | Undo) -> Message:
    """Return the message in which a command comes."""
    return Message(
        Envelope(type=command.to, body=encode_body(command)),
        consumer=service.name,
        topology=Topology(conf.prefix),
        inbox_model=InboxMessage,
        outbox_model=OutboxMessage,
    )


def test_asked_twice_it_does_its_work_once() -> None:
    answers = [begin(BEGIN, message_with(BEGIN)).says for _ in range(2)]
    assert answers == [Result.ACCEPTED, Result.ACCEPTED]
    assert Work._default_manager.count() == 1


def test_a_command_that_its_undoing_has_overtaken_does_nothing() -> None:
    undo(UNDO, message_with(UNDO))
    undo(UNDO, message_with(UNDO))
    assert begin(BEGIN, message_with(BEGIN)).says is Result.REFUSED


def test_its_steps_can_be_taken_in_a_purchase() -> None:
    assert not list(validate_steps(STEPS))
