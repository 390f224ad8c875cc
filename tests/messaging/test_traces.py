"""Each delivery has a span: below the sender's, unless the message has waited for long."""

import pytest
from msgspec.structs import replace

from checkout.payments.models import OutboxMessage
from messaging import traces
from messaging.concurrency.database import in_thread
from messaging.logs import work
from messaging.outbox.models import enqueue
from messaging.worker.service import Message, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab
from tests.support.services import Client, Greet, Greeted, until
from tests.support.spans import attributes_of, linked_traces, recorded_spans

pytestmark = pytest.mark.django_db(transaction=True)
TRACE = "0af7651916cd43dd8448eb211c80319c"
SENDER = f"00-{TRACE}-b7ad6b7169203331-01"
CARD = "4444333322221111"


def greeter(*, fails_first: bool = False) -> Service:
    service, seen = Service("greeter"), []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        seen.append(message)
        if fails_first and len(seen) == 1:
            raise RuntimeError(f"a defect that repeats {CARD}")
        return Greeted(f"Hello {body.name}")

    return service


async def asked(lab: MemoryLab, service: Service, *, traceparent: str = SENDER, age_seconds: int = 0) -> None:
    """Send a command that was written so long ago, and wait for the reply."""
    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        sent = client.command("greet", subject="pay_1", traceparent=traceparent)
        await client.send("greeter", replace(sent, timestamp=sent.timestamp - age_seconds))
        await client.reply_envelope()


async def test_a_delivery_is_a_child_of_its_sender_and_linked_to_its_subject(lab: MemoryLab):
    with recorded_spans() as spans:
        await asked(lab, greeter())
        await until(lambda: bool(spans.of("process greet")))
    [span] = spans.of("process greet")
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SENDER.split("-")[2])
    assert linked_traces(span) == {traces.trace_id_of("pay_1")}
    assert attributes_of(span)["subject"] == "pay_1"


async def test_a_message_that_waited_for_long_begins_a_trace_that_is_linked_to_its_sender(lab: MemoryLab):
    with recorded_spans() as spans:
        await asked(lab, greeter(), age_seconds=3 * 3600)
        await until(lambda: bool(spans.of("process greet")))
    [span] = spans.of("process greet")
    assert span.parent is None
    assert f"{span.context.trace_id:032x}" != TRACE
    assert linked_traces(span) == {TRACE, traces.trace_id_of("pay_1")}


async def test_a_redelivery_adds_a_span_and_no_text_of_the_error(lab: MemoryLab):
    with recorded_spans() as spans:
        await asked(lab, greeter(fails_first=True))
        await until(lambda: len(spans.of("process greet")) == 2)
    first, second = spans.of("process greet")
    assert first.parent.span_id == second.parent.span_id
    assert [attributes_of(each)["messaging.message.redelivered"] for each in (first, second)] == [False, True]
    assert (first.status.is_ok, attributes_of(first)["error.type"]) == (False, "failed")
    assert "error.type" not in attributes_of(second)
    assert CARD not in first.to_json()


async def test_what_a_handler_sends_and_logs_names_its_own_span(lab: MemoryLab):
    told: dict[str, object] = {}
    service = Service("greeter")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        told.update(work.facts())
        return Greeted("Hello")

    client = await Client(await lab.broker()).start()
    with recorded_spans() as spans:
        async with at_work(await lab.broker(), service):
            await client.send("greeter", client.command("greet", traceparent=SENDER, tracestate="theirs=1"))
            answer = await client.reply_envelope()
            await until(lambda: bool(spans.of("process greet")))
    [span] = spans.of("process greet")
    assert told["trace_id"] == TRACE
    assert answer.headers["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert answer.headers["tracestate"] == "theirs=1"


@pytest.mark.parametrize("header", ["", "00-1", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 5_000])
async def test_a_strange_context_is_as_good_as_none(lab: MemoryLab, header: str):
    with recorded_spans() as spans:
        await asked(lab, greeter(), traceparent=header)
        await until(lambda: bool(spans.of("process greet")))
    [span] = spans.of("process greet")
    assert span.parent is None


async def test_the_context_is_kept_in_the_outbox():
    with recorded_spans() as spans, traces.span("cause"):
        await in_thread(enqueue, OutboxMessage, "greeter", "greet", {})
    row = await in_thread(OutboxMessage.objects.get)
    [cause] = spans.of("cause")
    assert row.envelope().headers["traceparent"].split("-")[1:3] == [
        f"{cause.context.trace_id:032x}",
        f"{cause.context.span_id:016x}",
    ]
