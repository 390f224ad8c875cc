"""A card on its way to the payments service: its published forms, and its expiry."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from pytest_django import Settings

from checkout.conf import conf
from checkout.payments.actions import payment_view
from checkout.payments.models import Attempt, Payment
from checkout.privacy.card_seal import open_card
from checkout.running.services import SERVICES
from checkout.states import PaymentState
from checkout.web import held_tier
from messaging.concurrency.database import in_thread
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.memory.server import MemoryServer
from messaging.registry import close_brokers, get_broker
from messaging.topology import Binding, Queue
from tests.flows.shopping import eventually, pay, saga_status, submit
from tests.support.memory_provider.books import Books
from tests.support.tables import our_models

CARD = "approve:as-the-browser-encrypted-it"
SECRET = "as-the-browser-encrypted-it"


class Tap:
    """A copy of every published message."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    @property
    def text(self) -> str:
        return "\n".join(f"{each.headers} {each.body!r}" for each in self._envelopes())

    def seals_to(self, routing_key: str) -> list[str]:
        """Return the ``sealed`` of each message to this routing key."""
        return [each.sealed for each in self._envelopes(routing_key)]

    def _envelopes(self, routing_key: str | None = None) -> list[Envelope]:
        found = [each for each in self.deliveries if routing_key in (None, each.routing_key)]
        return [each.envelope for each in found if each.envelope]


@pytest_asyncio.fixture
async def tap(shop: object) -> AsyncIterator[Tap]:
    """Yield a tap on every exchange of the test's broker, for every routing key."""
    broker = get_broker()
    broker.open()
    await broker.wait_connected()
    topology = broker.topology
    bindings = (
        *(Binding(topology.commands, service) for service in SERVICES),
        Binding(topology.replies, topology.reply_queue("saga").name),
        Binding(topology.replies, broker.reply_queue.name),
        Binding(topology.events, "#"),
        Binding(topology.dead, ""),
    )
    await broker.declare(Queue("tap", {}, bindings))
    tap = Tap()
    await broker.consume("tap", tap.deliveries.append, prefetch=0, auto_ack=True)
    yield tap
    await close_brokers()


def everything_stored() -> str:
    rows: list[Any] = [model._default_manager.values() for model in our_models()]
    return "\n".join(str(list(each)) for each in rows)


async def test_what_the_browser_encrypted_is_published_under_its_second_seal_only(
    tap: Tap, back_end: None, payment: Payment, books: Books
) -> None:
    assert await pay(payment, CARD) == PaymentState.CAPTURE_PENDING
    await eventually(saga_status(payment), "completed")
    assert SECRET not in tap.text
    assert SECRET not in await in_thread(everything_stored)
    assert "seal1." not in await in_thread(everything_stored)
    assert open_card(tap.seals_to("payments")[0], f"{payment.reference}-1") == CARD
    # Messages after the payments service has taken the card contain no seal.
    assert not any(tap.seals_to("notifications") + tap.seals_to("ledger"))


async def test_the_brokers_own_dead_letter_of_a_card_holds_its_second_seal_only(
    tap: Tap, payment: Payment
) -> None:
    broker = get_broker()
    queue = broker.topology.service_queue("checkout")
    await broker.declare(queue)
    await broker.consume(queue.name, lambda delivery: delivery.reject(requeue=False), prefetch=1)
    pending = await in_thread(submit, payment.reference)
    assert await held_tier.answer(pending, sealed_card=CARD, budget_seconds=0.5) is None
    dead = [each.envelope for each in tap.deliveries if each.exchange == broker.topology.dead]
    assert [letter.sealed.partition(".")[0] for letter in dead if letter] == ["seal1"]
    assert SECRET not in tap.text


async def test_a_card_that_waits_for_the_broker_is_published_under_its_second_seal_only(
    tap: Tap, back_end: None, payment: Payment, books: Books
) -> None:
    server = MemoryServer.at(conf.broker_url)
    server.stop()
    try:
        assert await pay(payment, CARD) is None
    finally:
        server.resume()
    await eventually(saga_status(payment), "completed")
    assert SECRET not in tap.text
    assert open_card(tap.seals_to("checkout")[0], f"{payment.reference}-1") == CARD


async def test_a_card_that_came_too_late_moves_no_money_and_may_be_entered_again(
    back_end: None, payment: Payment, books: Books, settings: Settings
) -> None:
    settings.CHECKOUT_CARD_SECONDS = 0
    assert await pay(payment, CARD) == PaymentState.REFUSED
    assert (await in_thread(payment_view, payment.reference)).refusal_reason == "card_not_received"
    attempt = await in_thread(Attempt.objects.get)
    assert (attempt.state, attempt.refusal_code) == ("not_sent", "card_seal_expired")
    assert not books.orders
    settings.CHECKOUT_CARD_SECONDS = 1800
    await eventually(saga_status(payment), "compensated")
    assert await pay(payment, CARD, attempt_number=2) == PaymentState.CAPTURE_PENDING
