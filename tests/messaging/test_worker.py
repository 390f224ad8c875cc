"""From delivery to acknowledgement: effects happen once, and the resulting messages are sent."""

import threading

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.utils import timezone
from msgspec.structs import replace

from checkout.payments.dead_letters import keep
from checkout.payments.models import InboxMessage, OutboxMessage
from messaging.concurrency.database import in_thread
from messaging.outbox.models import enqueue
from messaging.outbox.rows import OutboxRows
from messaging.registry import get_broker
from messaging.worker import worker
from messaging.worker.service import CommandRejected, Message, Reply, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab, a_moment
from tests.support.services import Client, Greet, Greeted, everything_is_marked, until

pytestmark = pytest.mark.django_db(transaction=True)


# A service may record a handled message before everything else, or together with it.
RECORDS_LAST = pytest.mark.parametrize("records_last", [False, True], ids=["first", "last"])


def greeter(*, records_last: bool = False) -> Service:
    service = Service("greeter", records_last=records_last)

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name=message.envelope.message_id)
        return Greeted(f"Hello {body.name}")

    return service


async def client_of(lab: MemoryLab) -> Client:
    return await Client(await lab.broker()).start()


async def test_a_command_is_handled_answered_recorded_and_marked(lab: MemoryLab):
    client = await client_of(lab)
    async with at_work(await lab.broker(), greeter()):
        sent = client.command(
            "greet", subject="pay_1", x_theirs="dropped", baggage="kept", traceparent="00-a"
        )
        await client.send("greeter", sent)
        answer = await client.reply_envelope()
        assert Reply.decode(answer.body).unwrap() == {"text": "Hello you"}
        assert answer.correlation_id == "c-1"
        assert (answer.subject, answer.causation_id) == ("pay_1", sent.message_id)
        assert (answer.headers["baggage"], answer.headers["traceparent"]) == ("kept", "00-a")
        assert "x-theirs" not in answer.headers
        await until(everything_is_marked)
    inbox = await in_thread(InboxMessage.objects.get)
    assert (inbox.consumer, inbox.message_id, inbox.subject) == ("greeter", sent.message_id, "pay_1")
    outbox = await in_thread(OutboxMessage.objects.get)
    assert (outbox.message_id, outbox.type, outbox.subject) == (answer.message_id, "reply", "pay_1")
    assert not outbox.carries_sealed


@RECORDS_LAST
async def test_a_repeated_message_has_its_effect_once(lab: MemoryLab, records_last: bool):
    client = await client_of(lab)
    async with at_work(await lab.broker(), greeter(records_last=records_last)):
        sent = client.command("greet")
        for _ in range(3):
            await client.send("greeter", sent)
        await until(everything_is_marked)
        await until(InboxMessage.objects.exists)
    await a_moment(client.broker)
    # Until the first reply is marked as published, a repeated command sends the same message again.
    replies = {(await client.reply_envelope()).message_id for _ in range(len(client.replies))}
    assert len(replies) == 1
    assert await in_thread(Group.objects.count) == 1


async def test_what_a_crash_left_unpublished_is_published_at_the_redelivery(lab: MemoryLab):
    """The broker stops between commit and publishing, which has the effect of a crash there."""
    service = Service("crashing")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name="effect")
        lab.server.stop()
        return Greeted("once")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        await client.send("crashing", client.command("greet", sealed="secret"))
        await until(InboxMessage.objects.exists)
        lab.server.resume()
        answer = await client.reply_envelope()
    assert Reply.decode(answer.body).unwrap() == {"text": "once"}
    assert answer.sealed == "secret"
    assert await in_thread(Group.objects.count) == 1


async def test_a_relay_that_comes_first_does_not_cost_the_secret(lab: MemoryLab):
    service = Service("crashing")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        lab.server.stop()
        return Greeted("once")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        await client.send("crashing", client.command("greet", sealed="secret"))
        await until(InboxMessage.objects.exists)
        await in_thread(OutboxMessage.objects.update, available_at=timezone.now())
        assert await in_thread(OutboxRows(OutboxMessage, keep, lease_seconds=0).take) == []
        lab.server.resume()
        assert (await client.reply_envelope()).sealed == "secret"
        await until(everything_is_marked)


async def test_an_attempt_that_fails_is_repeated_with_nothing_left_of_it(lab: MemoryLab):
    service = Service("unsteady")
    attempts: list[int] = []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name="effect")
        attempts.append(1)
        if len(attempts) < 3:
            message.reply_transient("nobody", "c", {})
            raise OSError("a moment's weakness")
        return Greeted("at last")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        await client.send("unsteady", client.command("greet"))
        assert (await client.reply()).result == {"text": "at last"}
    assert await in_thread(Group.objects.count) == 1


async def test_a_database_that_is_away_for_long_uses_up_no_attempts(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.01)
    service = Service("patient")
    refusals: list[int] = []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        if len(refusals) < 3 * worker.DELIVERY_LIMIT:
            refusals.append(1)
            raise OperationalError("the database system is starting up")
        return Greeted("at last")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        await client.send("patient", client.command("greet"))
        assert (await client.reply()).result == {"text": "at last"}
    assert len(client.dead) == 0


async def test_what_always_fails_becomes_a_dead_letter_without_its_secret(lab: MemoryLab, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_PAUSE_SECONDS", 0.01)
    service = Service("hopeless")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        raise OSError("never")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        sent = client.command("greet", sealed="secret", subject="pay_1")
        await client.send("hopeless", sent)
        letter = (await client.dead.next()).envelope
    assert letter is not None
    assert (letter.message_id, letter.type, letter.body) == (sent.message_id, "greet", sent.body)
    assert letter.sealed == ""
    assert letter.headers["dead-service"] == "hopeless"
    assert f"{worker.DELIVERY_LIMIT} attempts" in str(letter.headers["dead-reason"])
    assert len(client.replies) == 0, "nobody is told that it failed: it is not known"
    assert not await in_thread(InboxMessage.objects.exists)


@pytest.mark.parametrize(
    ("type", "body"),
    [
        ("greet", b"not JSON"),
        ("greet", b'{"name": 5}'),
        ("greet", b'{"name": "you", "extra": 1}'),
        ("greet", b"\xff\xfe"),
        ("unknown", b"{}"),
    ],
)
async def test_what_breaks_the_contract_never_reaches_a_handler(lab: MemoryLab, type: str, body: bytes):
    client = await client_of(lab)
    async with at_work(await lab.broker(), greeter()):
        await client.send("greeter", client.command(type, body, sealed="secret"))
        letter = (await client.dead.next()).envelope
        error = (await client.reply()).error
    assert letter is not None
    assert letter.sealed == ""
    assert body not in letter.body or body.startswith(b"{")
    assert error is not None
    assert (error.code, error.retryable) == ("malformed_message", False)
    assert not await in_thread(InboxMessage.objects.exists)


@RECORDS_LAST
async def test_a_rejected_command_leaves_no_trace_but_its_error(lab: MemoryLab, records_last: bool):
    service = Service("strict", records_last=records_last)

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name="effect")
        message.publish_event("greeting.begun", {})
        raise CommandRejected("not_today", "Come back tomorrow.", retryable=True)

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        sent = client.command("greet")
        await client.send("strict", sent)
        error = (await client.reply()).error
        await client.send("strict", sent)
    assert error is not None
    assert (error.code, error.message, error.retryable) == ("not_today", "Come back tomorrow.", True)
    assert not await in_thread(Group.objects.exists)
    assert await in_thread(OutboxMessage.objects.count) == 1
    assert await in_thread(InboxMessage.objects.count) == 1


async def test_a_rejected_command_for_whose_answer_nobody_waits_becomes_a_dead_letter(lab: MemoryLab):
    """The command does not count as handled, so that it is carried out if it is sent again later."""
    service = Service("strict")
    rejects = [True]

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name="effect")
        if rejects:
            raise CommandRejected("not_today", "Come back tomorrow.")
        return Greeted("done")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        sent = replace(client.command("greet"), reply_to="")
        await client.send("strict", sent)
        letter = (await client.dead.next()).envelope
        assert not await in_thread(Group.objects.exists)
        rejects.clear()
        await client.send("strict", sent)
        await until(Group.objects.exists)
    assert letter is not None
    assert (letter.message_id, letter.body) == (sent.message_id, sent.body)
    assert letter.headers["dead-reason"] == "rejected: not_today: Come back tomorrow."
    assert len(client.replies) == 0


async def test_a_command_that_is_rejected_for_a_moment_is_delivered_again(lab: MemoryLab, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_PAUSE_SECONDS", 0.01)
    service = Service("busy")
    moods = ["busy", "busy"]

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        if moods:
            raise CommandRejected(moods.pop(), "Ask again.", retryable=True)
        Group.objects.create(name="effect")
        return Greeted("done")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        await client.send("busy", replace(client.command("greet"), reply_to=""))
        await until(Group.objects.exists)
    assert len(client.dead) == 0


async def test_a_handler_with_phases_of_its_own_concludes_once(lab: MemoryLab):
    service = Service("phased")
    calls: list[str] = []

    @service.command("greet", transactional=False)
    def greet(body: Greet, message: Message) -> None:
        calls.append(message.take_sealed())
        with message.once():
            Group.objects.create(name="effect")
            message.reply(Greeted("done"))

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        sent = client.command("greet", sealed="secret")
        await client.send("phased", sent)
        answer = await client.reply_envelope()
        await client.send("phased", sent)
        await until(lambda: len(calls) == 2)
    assert calls == ["secret", "secret"]
    assert answer.sealed == "", "what was taken travels no further"
    assert await in_thread(Group.objects.filter(name="effect").count) == 1


async def test_replies_reach_the_service_that_asked(lab: MemoryLab):
    asker = Service("asker", replies="asker")

    @asker.command("ask")
    def ask(body: Greet, message: Message) -> None:
        message.send("greeter", "greet", body, correlation_id="c-9")

    @asker.on_reply
    def resume(reply: Reply, message: Message) -> None:
        Group.objects.create(name=f"{message.correlation_id}: {reply.result['text']}")

    client = await client_of(lab)
    broker = await lab.broker()
    async with at_work(broker, asker), at_work(broker, greeter()):
        await client.send("asker", client.command("ask"))
        await until(Group.objects.filter(name="c-9: Hello you").exists)
        await until(everything_is_marked)


async def test_a_command_from_an_outbox_is_marked_by_its_handler(lab: MemoryLab):
    client = await client_of(lab)
    row = await in_thread(enqueue, OutboxMessage, "greeter", "greet", Greet("you"), subject="pay_1")
    async with at_work(await lab.broker(), greeter()):
        await client.send("greeter", row.envelope())
        marked = OutboxMessage.objects.filter(message_id=row.message_id, published_at__isnull=False)
        await until(marked.exists)


async def test_stopping_finishes_what_has_begun_and_writes_the_marks(lab: MemoryLab):
    service = Service("slow")
    begun, may_end = threading.Event(), threading.Event()

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        begun.set()
        assert may_end.wait(20)
        return Greeted("finished")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service, concurrency=1) as stop:
        await client.send("slow", client.command("greet"))
        await in_thread(begun.wait, 20)
        stop.set()
        await client.send("slow", client.command("greet", b'{"name": "next"}'))
        may_end.set()
    assert (await client.reply()).result == {"text": "finished"}
    assert await in_thread(everything_is_marked)
    assert await in_thread(InboxMessage.objects.count) == 1, "the next one waits for another worker"


async def test_no_more_handlers_run_at_once_than_allowed(lab: MemoryLab):
    service = Service("bounded")
    both = threading.Barrier(2)
    running, most = [0], [0]
    lock = threading.Lock()

    @service.command("greet", transactional=False)
    def greet(body: Greet, message: Message) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        both.wait(20)
        with lock:
            running[0] -= 1
        with message.once():
            message.reply(Greeted("ok"))

    client = await client_of(lab)
    async with at_work(await lab.broker(), service, concurrency=2):
        for _ in range(6):
            await client.send("bounded", client.command("greet"))
        for _ in range(6):
            await client.reply()
    assert most[0] == 2


async def test_a_reply_to_a_process_that_has_gone_is_done_with(lab: MemoryLab):
    client = await client_of(lab)
    gone = await lab.broker()
    await gone.close()
    async with at_work(await lab.broker(), greeter()):
        await client.send("greeter", replace(client.command("greet"), reply_to=gone.reply_queue.name))
        await until(InboxMessage.objects.exists)
        await until(everything_is_marked)


async def test_a_body_type_that_lets_unknown_fields_pass_is_refused_at_registration():
    service = Service("lax")
    with pytest.raises(TypeError):

        @service.command("greet")
        def greet(body: dict[str, str], message: Message) -> None: ...


async def test_the_running_loop_has_one_broker_per_address(lab: MemoryLab):
    assert get_broker() is get_broker()
    assert get_broker(lab.url, "other") is not get_broker()
