"""Remote calls and every way in which they can end: see ``messaging/rpc.py``."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import pytest
from msgspec.structs import replace

from messaging import rpc
from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.envelope import Envelope, Reply
from messaging.errors import (
    BrokerUnavailable,
    MalformedMessage,
    PublishRefused,
    PublishUncertain,
    RemoteError,
    ReplyLost,
    ReplyTimeout,
    TooManyWaiters,
    Undeliverable,
)
from messaging.registry import get_broker
from tests.support.brokers import Inbox, Lab, RabbitmqLab, a_moment, lost, small_queue, within

PATIENT = 15.0
IMPATIENT = 0.2


class Echo:
    """A service, as in another process, that answers by a given function."""

    def __init__(self, broker: Broker, answer: Callable[[Envelope], list[bytes]]) -> None:
        self.requests = Inbox()
        self._broker = broker
        self._answer = answer

    async def start(self) -> "Echo":
        queue = self._broker.topology.service_queue("echo")
        await self._broker.declare(queue)
        await self._broker.consume(queue.name, self._on_delivery, prefetch=100)
        return self

    def _on_delivery(self, delivery: Delivery) -> None:
        assert delivery.envelope is not None
        self.requests(delivery)
        for body in self._answer(delivery.envelope):
            self.reply(delivery.envelope, body)
        delivery.ack()

    def reply(self, request: Envelope, body: bytes) -> None:
        envelope = Envelope(type="reply", body=body, correlation_id=request.correlation_id)
        self._broker.publish_nowait(
            self._broker.topology.replies, request.reply_to, envelope, lambda error: None
        )


def repeats(envelope: Envelope) -> list[bytes]:
    return [b'{"ok": true, "result": {"said": ' + envelope.body + b"}}"]


def is_silent(envelope: Envelope) -> list[bytes]:
    return []


async def caller() -> Broker:
    broker = get_broker()
    await within(broker.wait_connected())
    return broker


async def test_a_reply_comes_back(lab: Lab):
    service = await Echo(await lab.broker(), repeats).start()
    result = await rpc.acall(
        "echo",
        "echo.say",
        {"words": 1},
        timeout_seconds=PATIENT,
        message_id="m1",
        subject="pay_1",
        sealed="secret",
        headers={"traceparent": "t"},
    )
    assert result == {"said": {"words": 1}}
    request = (await service.requests.next()).envelope
    assert request is not None
    assert (request.type, request.message_id, request.subject) == ("echo.say", "m1", "pay_1")
    assert (request.sealed, request.headers["traceparent"]) == ("secret", "t")
    assert request.headers["schema-version"] == 1
    assert request.deadline is not None
    assert get_broker().reply_queue.waiting == 0


async def test_many_calls_at_once_get_their_own_replies(lab: Lab):
    await Echo(await lab.broker(), repeats).start()
    results = await asyncio.gather(
        *(rpc.acall("echo", "echo.say", {"n": n}, timeout_seconds=PATIENT) for n in range(200))
    )
    assert [result["said"]["n"] for result in results] == list(range(200))


async def test_a_reply_to_a_wait_that_was_counted_and_not_known_is_dropped(lab: Lab):
    service = await Echo(await lab.broker(), is_silent).start()
    waiting = asyncio.ensure_future(rpc.acall("echo", "echo.say", {}, timeout_seconds=PATIENT))
    request = (await service.requests.next()).envelope
    assert request is not None
    for number in range(16):
        service.reply(
            replace(request, correlation_id=f"r{number:x}"), b'{"ok": true, "result": {"said": "forged"}}'
        )
    service.reply(request, b'{"ok": true, "result": {"said": "mine"}}')
    assert await within(waiting) == {"said": "mine"}


async def test_an_error_of_the_service_is_raised_with_its_code(lab: Lab):
    error = Reply.failure("out_of_stock", "None left.", retryable=True).encode()
    await Echo(await lab.broker(), lambda _: [error]).start()
    with pytest.raises(RemoteError) as raised:
        await rpc.acall("echo", "echo.say", {}, timeout_seconds=PATIENT)
    assert (raised.value.code, raised.value.message, raised.value.retryable) == (
        "out_of_stock",
        "None left.",
        True,
    )


async def test_a_reply_that_breaks_the_contract_is_malformed(lab: Lab):
    await Echo(await lab.broker(), lambda _: [b'{"ok": true, "error": null, "extra": 1}']).start()
    with pytest.raises(MalformedMessage):
        await rpc.acall("echo", "echo.say", {}, timeout_seconds=PATIENT)


async def test_nobody_reads_such_commands(lab: Lab):
    with pytest.raises(Undeliverable):
        await rpc.acall("nobody", "echo.say", {}, timeout_seconds=PATIENT)
    assert get_broker().reply_queue.waiting == 0


async def test_a_full_queue_refuses_the_command(lab: Lab):
    broker = await lab.broker()
    await broker.declare(small_queue(broker, "small", 1))
    outcomes = await asyncio.gather(
        *(rpc.acall("small", "echo.say", {}, timeout_seconds=1.0) for _ in range(6)), return_exceptions=True
    )
    assert isinstance(outcomes[0], ReplyTimeout)
    assert isinstance(outcomes[-1], PublishRefused)


async def test_silence_ends_at_the_time_out(lab: Lab):
    await Echo(await lab.broker(), is_silent).start()
    await caller()
    with pytest.raises(ReplyTimeout) as raised:
        await rpc.acall("echo", "echo.say", {}, timeout_seconds=IMPATIENT)
    assert not isinstance(raised.value, ReplyLost)
    assert get_broker().reply_queue.waiting == 0


async def test_a_cancelled_caller_leaves_nothing_behind(lab: Lab):
    service = await Echo(await lab.broker(), is_silent).start()
    call = asyncio.create_task(rpc.acall("echo", "echo.say", {}, timeout_seconds=PATIENT))
    await service.requests.next()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert get_broker().reply_queue.waiting == 0


async def test_a_call_that_ends_with_an_error_leaves_its_card_in_no_cycle(lab: Lab):
    await Echo(await lab.broker(), is_silent).start()
    await caller()
    gc.collect()
    gc.disable()
    try:
        with suppress(ReplyTimeout, PublishUncertain):
            await rpc.acall("echo", "echo.say", {}, timeout_seconds=IMPATIENT, sealed="a card")
        await asyncio.sleep(0)  # let the iteration of the loop with the time-out end
        left = [each for each in gc.get_objects() if isinstance(each, FrameType) and _is_call(each)]
    finally:
        gc.enable()
    assert not left


def _is_call(frame: FrameType) -> bool:
    return frame.f_code is rpc.acall.__code__


async def test_a_late_reply_is_counted_and_dropped(lab: Lab):
    service = await Echo(await lab.broker(), is_silent).start()
    broker = await caller()
    with pytest.raises(ReplyTimeout):
        await rpc.acall("echo", "echo.say", {}, timeout_seconds=IMPATIENT)
    request = (await service.requests.next()).envelope
    assert request is not None
    service.reply(request, Reply.success({}).encode())
    await until_late_replies(broker, 1)


async def test_the_first_of_two_replies_counts(lab: Lab):
    first, second = Reply.success({"n": 1}).encode(), Reply.success({"n": 2}).encode()
    await Echo(await lab.broker(), lambda _: [first, second]).start()
    broker = await caller()
    assert await rpc.acall("echo", "echo.say", {}, timeout_seconds=PATIENT) == {"n": 1}
    await until_late_replies(broker, 1)


async def test_a_connection_lost_while_waiting_ends_the_wait_at_once(lab: Lab):
    service = await Echo(await lab.broker(), is_silent).start()
    broker = await caller()
    calls = [asyncio.create_task(rpc.acall("echo", "echo.say", {}, timeout_seconds=3600.0)) for _ in range(3)]
    for _ in calls:
        await service.requests.next()
    await a_moment(broker)  # the commands are confirmed
    lab.lose_connections()
    outcomes = await within(asyncio.gather(*calls, return_exceptions=True))
    assert [type(outcome) for outcome in outcomes] == [ReplyLost] * 3
    assert broker.reply_queue.waiting == 0


async def test_a_loss_before_the_confirm_leaves_open_if_the_command_was_published(lab: Lab):
    await Echo(await lab.broker(), is_silent).start()
    broker = await caller()
    call = asyncio.create_task(rpc.acall("echo", "echo.say", {}, timeout_seconds=3600.0))
    while not broker.reply_queue.waiting:  # noqa: ASYNC110 (only a counter shows it)
        await asyncio.sleep(0)
    broker.reply_queue.end_waiters(ReplyLost, "the connection was lost")
    confirms_at_once = not isinstance(lab, RabbitmqLab)
    with pytest.raises(ReplyLost if confirms_at_once else PublishUncertain):
        await within(call)


async def test_a_call_just_after_a_connection_was_lost_is_answered_on_the_next_one(lab: Lab):
    """The call waits for the attempt to connect, and the loss does not end it before it was sent."""
    service, broker = await lab.broker(), await caller()
    await service.declare(service.topology.service_queue("echo"))
    connections = 2 if isinstance(lab, RabbitmqLab) else 1  # of each
    lab.lose_connections()

    async def known() -> None:
        while min(each.metrics()["connections_lost"] for each in (service, broker)) < connections:  # noqa: ASYNC110
            await asyncio.sleep(0)

    await within(known())
    call = asyncio.create_task(rpc.acall("echo", "echo.say", 1, timeout_seconds=PATIENT))
    await within(service.wait_connected())
    await Echo(service, repeats).start()
    assert await within(call) == {"said": 1}


async def test_a_call_that_waits_for_a_connection_ends_with_the_process(lab: Lab):
    broker = await caller()
    attempt = asyncio.Event()
    broker.first_attempt = attempt.wait  # type: ignore[assignment,method-assign]
    await lab.go_down()
    await within(lost(broker))
    call = asyncio.create_task(rpc.acall("echo", "echo.say", {}, timeout_seconds=3600.0))
    while not broker.reply_queue.waiting:  # noqa: ASYNC110 (only a counter shows it)
        await asyncio.sleep(0)
    broker.reply_queue.end_waiters(ReplyLost, "the queue is made anew")
    assert not call.done(), "it has not been sent"
    broker.reply_queue.stop_waiting()
    with pytest.raises(BrokerUnavailable):
        await within(call)


async def test_calls_work_again_after_a_lost_connection(lab: Lab):
    await Echo(await lab.broker(), repeats).start()
    broker = await caller()
    lab.lose_connections()

    async def answered() -> dict[str, object]:
        while True:
            try:
                return await rpc.acall("echo", "echo.say", 1, timeout_seconds=PATIENT)
            except (BrokerUnavailable, PublishUncertain, ReplyTimeout):
                await broker.wait_connected()

    assert await within(answered()) == {"said": 1}


async def test_without_a_broker_from_the_start_it_fails_at_once(lab: Lab):
    await lab.go_down()
    with pytest.raises(BrokerUnavailable):
        await within(rpc.acall("echo", "echo.say", {}, timeout_seconds=3600.0))
    assert get_broker().reply_queue.waiting == 0


async def test_more_callers_than_allowed_are_turned_away(lab: Lab, settings):
    settings.MESSAGING_MAX_WAITERS = 2
    service = await Echo(await lab.broker(), is_silent).start()
    calls = [
        asyncio.create_task(rpc.acall("echo", "echo.say", {}, timeout_seconds=PATIENT)) for _ in range(2)
    ]
    for _ in calls:
        await service.requests.next()
    with pytest.raises(TooManyWaiters):
        await rpc.acall("echo", "echo.say", {}, timeout_seconds=PATIENT)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def until_late_replies(broker: Broker, number: int) -> None:
    async def counted() -> None:
        while broker.metrics()["late_replies"] < number:  # noqa: ASYNC110 (only a counter shows it)
            await asyncio.sleep(0.01)

    await within(counted())
