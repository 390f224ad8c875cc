"""Replies that break the contract: the saga gets an error at once, and the reply is stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from django.db.models import QuerySet

from checkout.payments import dead_letters
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import DeadLetter, Fact, Payment, Saga
from checkout.payments.sagas.service import service
from messaging.broker import Broker
from messaging.concurrency.database import in_thread
from messaging.dead_letters.consumer import DeadLetterConsumer
from messaging.envelope import Envelope, HeaderValue, encode_body
from tests.messaging.conftest import at_work
from tests.payments.service.conftest import an_account, an_attempt
from tests.support.brokers import Inbox, Lab, within
from tests.support.services import until

pytestmark = pytest.mark.django_db(transaction=True)

CARD = "a sealed card"


class Foreign:
    """A foreign service, which reads commands and sends arbitrary answers."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.broker = broker
        self.name = name
        self.inbox = Inbox()

    async def start(self) -> "Foreign":
        queue = self.broker.topology.service_queue(self.name)
        await self.broker.declare(queue)
        await self.broker.consume(queue.name, self.inbox, prefetch=100, auto_ack=True)
        return self

    async def asked(self) -> Envelope:
        command = (await self.inbox.next()).envelope
        assert command is not None
        return command

    async def answer(
        self, command: Envelope, body: object, type: str = "reply", **headers: HeaderValue
    ) -> str:
        reply = Envelope(
            type=type,
            body=encode_body(body),
            correlation_id=command.correlation_id,
            app_id=f"foreign-{self.name}",
            headers={**command.travelling_headers(), "subject": command.subject, "sealed": command.sealed}
            | headers,
        )
        exchange = self.broker.topology.replies
        await self.broker.publish(exchange, command.reply_to, reply, timeout_seconds=10)
        return reply.message_id


@pytest.fixture(autouse=True)
def _short_pauses(settings: object) -> None:
    settings.CHECKOUT_REPEAT_DELAYS = (0.05, 0.05)  # type: ignore[attr-defined]


@asynccontextmanager
async def a_purchase(lab: Lab, *services: str) -> AsyncIterator[list[Foreign]]:
    """Run the orchestrator with one purchase, the dead-letter consumer, and foreign services."""
    broker, stop = await lab.broker(), asyncio.Event()
    foreign = [await Foreign(await lab.broker(), name).start() for name in services]
    attempt = await in_thread(lambda: an_attempt(an_account()))
    reference = await in_thread(lambda: attempt.payment.reference)
    draining = asyncio.create_task(DeadLetterConsumer(await lab.broker(), dead_letters.keep).run(stop))
    # Bind the queue before the worker does, since a second binding may be confirmed before the first one
    # works.
    await broker.declare(broker.topology.service_queue("checkout"))
    async with at_work(broker, service):
        body = SubmitPayment(payment=reference, attempt=attempt.order_code)
        command = Envelope(
            type="checkout.submit_payment",
            body=encode_body(body),
            headers={"subject": reference, "sealed": CARD},
        )
        await broker.publish(broker.topology.commands, "checkout", command, timeout_seconds=10)
        yield foreign
    stop.set()
    await within(draining)


def letters() -> QuerySet[DeadLetter]:
    return DeadLetter.objects.all()


@pytest.mark.parametrize(
    "body",
    [
        {"ok": True, "result": {}},
        {"ok": True, "result": {"decision": 1}},
        {"ok": True, "result": {"decision": "maybe"}},
        {"ok": True, "result": {"decision": "accept", "reasons": [], "score": 7}},
        {"ok": True},
        {"ok": "yes", "result": {"decision": "accept"}},
        [],
    ],
)
async def test_risk_is_asked_again_with_the_card_and_the_shopper_is_not_refused(lab: Lab, body: object):
    async with a_purchase(lab, "risk", "orders") as (risk, orders):
        first = await risk.asked()
        message_id = await risk.answer(first, body)
        again = await risk.asked()
        assert (again.type, again.body, again.sealed) == (first.type, first.body, CARD)
        assert again.correlation_id != first.correlation_id
        await risk.answer(again, {"ok": True, "result": {"decision": "accept", "reasons": []}})
        assert (await orders.asked()).type == "orders.reserve"
        letter = await until(letters().first)
    assert letter is not None
    assert (letter.message_id, letter.correlation_id) == (message_id, first.correlation_id)
    assert (letter.subject, letter.sender_app) == (first.subject, "foreign-risk")
    assert CARD not in str(vars(letter))
    assert (await in_thread(Payment.objects.get)).state == "processing"


async def test_a_reply_of_another_type_is_heard_as_well(lab: Lab):
    async with a_purchase(lab, "risk") as (risk,):
        await risk.answer(await risk.asked(), {"decision": "accept"}, type="risk.assessed")
        assert (await risk.asked()).type == "risk.assess"
        letter = await until(letters().first)
    assert letter is not None
    assert letter.type == "risk.assessed"


async def test_an_error_that_may_pass_is_asked_again_and_is_no_dead_letter(lab: Lab):
    async with a_purchase(lab, "risk") as (risk,):
        error = {"code": "busy", "message": "A moment.", "retryable": True}
        await risk.answer(await risk.asked(), {"ok": False, "error": error})
        assert (await risk.asked()).sealed == CARD
    assert not await in_thread(letters().exists)


async def test_an_authorisation_that_is_not_understood_is_inquired_and_not_refused(lab: Lab):
    async with a_purchase(lab, "risk", "orders", "payments") as (risk, orders, payments):
        await risk.answer(await risk.asked(), {"ok": True, "result": {"decision": "accept"}})
        await orders.answer(await orders.asked(), {"ok": True, "result": {"reserved": True}})
        command = await payments.asked()
        await payments.answer(command, {"ok": True, "result": {"outcome": "denied"}})
        await until(Saga.objects.filter(step="inquire").exists)
    assert (await in_thread(Payment.objects.get)).state == "confirming"
    letter = await in_thread(letters().get)
    assert (letter.subject, letter.correlation_id) == (command.subject, command.correlation_id)
    assert letter.reason.startswith("not an answer to payments.authorise")


async def test_what_a_service_writes_into_an_error_is_kept_scrubbed_and_where_it_fits(lab: Lab):
    text = "no\0 card 4444333322221111 " + "x" * 5000
    async with a_purchase(lab, "risk", "orders", "payments") as (risk, orders, payments):
        await risk.answer(await risk.asked(), {"ok": True, "result": {"decision": "accept"}})
        await orders.answer(await orders.asked(), {"ok": True, "result": {"reserved": True}})
        error = {"code": f"broken\0{text}", "message": text}
        await payments.answer(await payments.asked(), {"ok": False, "error": error})
        await until(Saga.objects.filter(step="inquire").exists)
    told = await in_thread(lambda: [*Saga.objects.get().steps.values_list("outcome", flat=True)])
    facts = await in_thread(lambda: str([*Fact.objects.values()]))
    assert "4444333322221111" not in f"{told} {facts}"


async def test_a_subject_that_no_table_takes_makes_a_reply_malformed_and_is_heard_at_once(lab: Lab):
    async with a_purchase(lab, "risk") as (risk,):
        accepted = {"ok": True, "result": {"decision": "accept"}}
        await risk.answer(await risk.asked(), accepted, subject="s" * 101)
        assert (await risk.asked()).type == "risk.assess"
        await until(letters().first)
