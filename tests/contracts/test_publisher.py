"""The publisher and the answers of a broker: returns, confirms of several, refusals, in any order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pika import frame, spec
from pika.frame import Frame

from messaging.envelope import Envelope
from messaging.errors import MessagingError, PublishRefused, PublishUncertain, Undeliverable
from messaging.rabbitmq import publisher as publishing
from messaging.rabbitmq.amqp import properties_of
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.rabbitmq.connection.link import Link
from messaging.rabbitmq.publisher import Publisher
from tests.support.brokers import RabbitmqLab, command, within

pytestmark = pytest.mark.rabbitmq


class Conversation:
    """A publisher whose messages stay in the relay, which answers in the broker's place."""

    def __init__(self, rabbitmq: RabbitmqLab, link: Link, publisher: Publisher, channel: int) -> None:
        self.link = link
        self.outcomes: dict[str, MessagingError | None] = {}
        self.publisher = publisher
        self._rabbitmq = rabbitmq
        self._channel = channel

    def publish(self, name: str, envelope: Envelope, exchange: str = "x", key: str = "k") -> None:
        def on_confirm(outcome: MessagingError | None) -> None:
            assert name not in self.outcomes, "told once"
            self.outcomes[name] = outcome

        self.publisher.publish_nowait(exchange, key, envelope, on_confirm)

    def returned(self, envelope: Envelope, exchange: str = "x", key: str = "k") -> None:
        self._say(
            frame.Method(self._channel, spec.Basic.Return(312, "NO_ROUTE", exchange, key)),
            frame.Header(self._channel, len(envelope.body), properties_of(envelope, "guest")),
            frame.Body(self._channel, envelope.body),
        )

    def confirmed(self, tag: int, *, multiple: bool = False) -> None:
        self._say(frame.Method(self._channel, spec.Basic.Ack(tag, multiple)))

    def refused(self, tag: int, *, multiple: bool = False) -> None:
        self._say(frame.Method(self._channel, spec.Basic.Nack(tag, multiple)))

    def damaged(self, tag: int) -> None:
        whole = frame.Method(self._channel, spec.Basic.Ack(tag)).marshal()
        self._rabbitmq.proxy.say_to_clients(whole[:-1] + b"?")

    def _say(self, *frames: Frame) -> None:
        self._rabbitmq.proxy.say_to_clients(b"".join(each.marshal() for each in frames))

    async def ended(self) -> dict[str, type[MessagingError] | None]:
        """Return the results of the messages, once all of them have one."""
        await within(self.publisher.drained.wait())
        return {name: type(outcome) if outcome else None for name, outcome in self.outcomes.items()}


@asynccontextmanager
async def conversation(
    rabbitmq: RabbitmqLab, publisher: Publisher | None = None
) -> AsyncIterator[Conversation]:
    link = await Link.open(connection_parameters(rabbitmq.url, "a test")[0])
    publisher = publisher or Publisher("guest")
    await publisher.prepare(link)
    assert publisher._channel is not None
    rabbitmq.hold()
    try:
        yield Conversation(rabbitmq, link, publisher, publisher._channel.raw.channel_number)
    finally:
        rabbitmq.lose_connections()
        await within(asyncio.shield(link.closed))


@pytest.mark.parametrize("differs", ["message", "exchange", "key"])
async def test_the_returned_one_of_two_messages_is_undeliverable(rabbitmq: RabbitmqLab, differs: str):
    """A mix-up would count the lost message as delivered, and the other one as lost."""
    taken = command()
    returned = command() if differs == "message" else taken
    place = {"exchange": "y"} if differs == "exchange" else {"key": "l"} if differs == "key" else {}
    async with conversation(rabbitmq) as said:
        said.publish("taken", taken)
        said.publish("returned", returned, **place)
        said.returned(returned, **place)
        said.confirmed(2, multiple=True)
        assert await said.ended() == {"taken": None, "returned": Undeliverable}


async def test_each_return_of_the_same_message_counts_for_one_of_its_copies(rabbitmq: RabbitmqLab):
    """The caller and the relay may publish the same message at the same time."""
    envelope = command()
    async with conversation(rabbitmq) as said:
        for name in ("first", "second", "third"):
            said.publish(name, envelope)
        said.returned(envelope)
        said.returned(envelope)
        said.confirmed(3, multiple=True)
        assert await said.ended() == {"first": Undeliverable, "second": Undeliverable, "third": None}


async def test_confirms_end_what_they_name_in_any_order(rabbitmq: RabbitmqLab):
    async with conversation(rabbitmq) as said:
        for number in range(1, 6):
            said.publish(str(number), command())
        said.refused(4)
        said.confirmed(5)
        said.confirmed(5)  # a second time, which means nothing
        said.confirmed(2, multiple=True)
        said.refused(3, multiple=True)
        assert await said.ended() == {
            "1": None,
            "2": None,
            "3": PublishRefused,
            "4": PublishRefused,
            "5": None,
        }
        assert said.publisher.unconfirmed == said.publisher.unconfirmed_bytes == 0


async def test_what_was_unconfirmed_on_a_lost_link_is_told_once_and_counts_no_more(rabbitmq: RabbitmqLab):
    publisher = Publisher("guest")
    async with conversation(rabbitmq, publisher) as said:
        said.publish("lost", command())
        publisher.lost()
        assert await said.ended() == {"lost": PublishUncertain}
        assert publisher.unconfirmed == publisher.unconfirmed_bytes == 0
    async with conversation(rabbitmq, publisher) as later:
        later.publish("later", command())
        later.publish("latest", command())
        later.confirmed(1)
        later.refused(2)
        assert await later.ended() == {"later": None, "latest": PublishRefused}


async def test_a_message_that_stays_the_oldest_is_waited_for_in_vain_but_not_one_of_an_earlier_link(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    now = 1000.0
    monkeypatch.setattr(publishing, "monotonic", lambda: now)
    publisher = Publisher("guest", confirm_seconds=30)
    async with conversation(rabbitmq, publisher) as said:
        said.publish("stuck", command())
        said.publish("next", command())
        assert not publisher.waits_in_vain()
        now += 31
        assert publisher.waits_in_vain()
        publisher.lost()
    async with conversation(rabbitmq, publisher) as said:
        said.publish("first", command())  # it has the tag of the one without a confirm
        said.publish("second", command())
        assert not publisher.waits_in_vain()
        now += 20
        said.confirmed(1)
        while publisher.unconfirmed == 2:  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0)
        assert not publisher.waits_in_vain()
        now += 20
        assert not publisher.waits_in_vain(), "a queue that is slow confirms in order"
        now += 11
        assert publisher.waits_in_vain()
        publisher.lost()


async def test_a_damaged_confirm_confirms_nothing_and_ends_the_link(rabbitmq: RabbitmqLab):
    async with conversation(rabbitmq) as said:
        said.publish("a message", command())
        said.damaged(1)
        await within(asyncio.shield(said.link.closed))
        assert said.outcomes == {}
