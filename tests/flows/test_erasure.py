"""The personal data of a payment is erased from every table, and the payment goes on without it."""

import importlib
import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from checkout.api.models import IdempotencyRecord
from checkout.backoffice.models import MerchantAccess
from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.checkout_messages import AnnouncePayment, StartOperation
from checkout.payments.models import (
    DeadLetter,
    Event,
    Fact,
    InboxMessage,
    Merchant,
    OutboxMessage,
    Payment,
    SavedCard,
)
from checkout.payments.providers.base import Browser
from checkout.webhooks import actions as webhooks, deliveries
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from checkout.webhooks.sending.claims import Job
from checkout.webhooks.sending.client import Answer
from checkout.webhooks.sending.recording import Outcome, record
from messaging.concurrency.database import in_thread
from tests.api.calling import Caller, document, order
from tests.api.conftest import api
from tests.flows import shopping
from tests.flows.shopping import authorise, eventually, notify_all, operation_states, pay, saga_status
from tests.flows.test_rogue_service import House, at_work, memory_house
from tests.support.broker_users import url_of
from tests.support.memory_provider.books import Books
from tests.support.tables import our_models

__all__ = ["api"]

# A function of an own app that fails when it is called for the first time.
AN_ERASURE = """
asked = []


def erase_payment(reference):
    asked.append(reference)
    if len(asked) == 1:
        raise ConnectionError("away")
"""
OF_SHOPPER = (
    *("mary@shopper.example", "192.0.2.77", "Mary's browser", "loyalty-4711", "said Mary"),
    "customer-mary",
)


@pytest.fixture
def ada(transactional_db: None) -> None:
    user = User.objects.create(username="ada", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="erase_payment"))
    MerchantAccess.objects.create(user=user, is_unlimited=True)
    User.objects.create(username="bob", is_staff=True)


def erase(reference: str, by: str = "ada") -> None:
    call_command("gateway", "erase", reference, "--by", by, "--reason", "She asked.", stdout=StringIO())


def places() -> dict[str, set[str]]:
    """Return the tables and columns that contain a text of the shopper."""
    found: dict[str, set[str]] = {}
    for model in our_models():
        for row in model._default_manager.values():
            for column, value in row.items():
                text = value if isinstance(value, str) else json.dumps(value, default=str)
                for word in OF_SHOPPER:
                    if word in text:
                        found.setdefault(f"{model._meta.db_table}.{column}", set()).add(word)
    return found


@pytest.fixture
def _from_mary(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(accept_header="text/html", user_agent=OF_SHOPPER[2], ip_address=OF_SHOPPER[1])
    monkeypatch.setattr(shopping, "BROWSER", browser)


async def paid_by_mary(api: Caller, books: Books) -> Payment:
    """Create, pay and capture a payment by the API, with a webhook about it; the API stores its answers."""
    await in_thread(webhooks.create_endpoint, "shop", "https://shop.example/hook")
    asked = order(
        customer_email=OF_SHOPPER[0],
        customer_reference=OF_SHOPPER[5],
        metadata={"card": OF_SHOPPER[3]},
        captures_automatically=False,
    )
    made = document(await api.post("/payments", asked))
    payment = await in_thread(lambda: Payment.objects.get(reference=made["id"]))
    await pay(payment, "approve", saves_card=True)
    await eventually(saga_status(payment), "completed")
    await api.post(f"/payments/{payment.reference}/capture", {})
    await eventually(operation_states(payment), ["pending"])
    await notify_all(books)
    await eventually(saga_status(payment, "capture"), "completed")
    await in_thread(told, payment)
    # The installation's sender of webhooks leaves the endpoint alone from now on.
    await in_thread(WebhookEndpoint.objects.update, paused_until=timezone.now() + timedelta(days=1))
    await eventually(lambda: Delivery.objects.exclude(lease="").exists(), False)
    await eventually(lambda: OutboxMessage.objects.filter(published_at=None).exists(), False)
    return payment


async def charged(api: Caller, card: SavedCard) -> str:
    asked = order("Z-1", saved_card=card.reference, merchant_initiated="unscheduled")
    return str(document(await api.post("/payments", asked))["code"])


def told(payment: Payment) -> None:
    """Write rows about the outside: a webhook that was answered, and a transcript of the provider."""
    deliveries.create_deliveries(list(Event.objects.values_list("reference", flat=True)))
    delivery = Delivery.objects.filter(payment=payment.reference).first()
    assert delivery
    DeliveryAttempt.objects.create(
        delivery=delivery, at=timezone.now(), url="https://shop.example/hook", response=OF_SHOPPER[4]
    )
    text = f"<shopperEmailAddress>{OF_SHOPPER[0]}</shopperEmailAddress>"
    Fact.objects.create(payment=payment, source="provider", kind="authorised", text=text)


@pytest.mark.usefixtures("ada", "_from_mary")
async def test_no_table_knows_the_shopper_any_more(
    api: Caller, books: Books, back_end: None, settings: Settings
) -> None:
    payment = await paid_by_mary(api, books)
    # A busy machine may be too slow to authorise a payment within so short a time.
    settings.CHECKOUT_SETTLING_SECONDS = 1
    settings.CHECKOUT_ORDER_LAG_SECONDS = settings.CHECKOUT_MODIFICATION_LAG_SECONDS = 0
    before = await in_thread(places)
    assert {word for words in before.values() for word in words} == set(OF_SHOPPER)
    assert {"payments_event.data", "payments_saga.data", "payments_attempt.browser"} <= set(before)
    assert {"payments_savedcard.customer_reference", "payments_payment.customer_reference"} <= set(before)
    await in_thread(erase, payment.reference)
    assert await in_thread(places) == {}
    await eventually(lambda: SavedCard.objects.filter(deleted_at=None).exists(), False)
    assert books.tokens == {}
    card = await in_thread(SavedCard.objects.get)
    assert (card.state, card.removed_by, card.last4) == ("removed", "ada", "1111")
    assert not {card.sealed_token, card.token_to_delete, card.token_hash} - {""}
    assert not {card.shopper, card.scheme_transaction} - {""}
    assert await charged(api, card) == "saved_card_not_usable"
    fact = await in_thread(lambda: Fact.objects.get(kind="personal_data_erased"))
    assert fact.data == {"by": "ada", "reason": "She asked."}
    answer = document(await api.get(f"/payments/{payment.reference}"))
    assert (answer["customer_email"], answer["metadata"], answer["state"]) == ("", {}, "captured")


@pytest.mark.usefixtures("ada", "_from_mary")
async def test_a_refund_after_it_has_an_event_without_false_changes(
    api: Caller, books: Books, back_end: None
) -> None:
    payment = await paid_by_mary(api, books)
    await in_thread(erase, payment.reference)
    await in_thread(erase, payment.reference)
    await api.post(f"/payments/{payment.reference}/refund", {})
    await notify_all(books)
    await eventually(saga_status(payment, "refund"), "completed")
    event = await in_thread(lambda: Event.objects.filter(type="payment.refunded").get())
    assert not {"customer_email", "metadata"} & set(event.changes)
    assert await in_thread(places) == {}


@pytest.mark.usefixtures("ada", "_from_mary")
async def test_the_answer_to_a_webhook_that_is_being_sent_does_not_come_back_after_it(
    api: Caller, books: Books, back_end: None
) -> None:
    payment = await paid_by_mary(api, books)
    job = await in_thread(taken_by_another_sender, payment)
    with pytest.raises(CommandError, match=r"A webhook about the payment is being sent\. Try again"):
        await in_thread(erase, payment.reference)
    answer = Answer(status=200, response=OF_SHOPPER[4].encode())
    await in_thread(record, [Outcome(job, answer, timezone.now())])
    await in_thread(erase, payment.reference)
    assert await in_thread(places) == {}


def taken_by_another_sender(payment: Payment) -> Job:
    delivery = Delivery.objects.select_related("endpoint").filter(payment=payment.reference)[0]
    delivery.lease, delivery.next_try_at = "another", timezone.now() + timedelta(minutes=1)
    delivery.save()
    endpoint = delivery.endpoint
    about = (delivery.pk, endpoint.pk, endpoint.merchant, delivery.lease, delivery.event, endpoint.url)
    return Job(*about, timezone.now())


@pytest.mark.usefixtures("ada")
def test_apps_of_ones_own_erase_what_they_keep_or_the_command_fails_and_is_run_again(
    payment: Payment, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gifts_4711").mkdir()
    (tmp_path / "gifts_4711" / "__init__.py").touch()
    (tmp_path / "gifts_4711" / "erasure.py").write_text(AN_ERASURE)
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHECKOUT_OWN_APPS = "gifts_4711"
    Payment.objects.update(state="cancelled")
    OutboxMessage.objects.update(published_at=timezone.now())
    with pytest.raises(CommandError, match=r"gifts_4711\.erasure has not: away\. When the"):
        erase(payment.reference)
    erase(payment.reference)
    assert importlib.import_module("gifts_4711.erasure").asked == [payment.reference] * 2


@pytest.mark.usefixtures("ada")
def test_nothing_is_erased_if_an_app_of_ones_own_cannot_be_asked(
    payment: Payment, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gifts_4712").mkdir()
    (tmp_path / "gifts_4712" / "__init__.py").touch()
    (tmp_path / "gifts_4712" / "erasure.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHECKOUT_OWN_APPS = "gifts_4712"
    Payment.objects.update(state="cancelled")
    with pytest.raises(CommandError, match=r"Nothing was erased\. gifts_4712\.erasure has no"):
        erase(payment.reference)
    assert not Fact.objects.filter(kind="personal_data_erased").exists()


@pytest.fixture
def house(shop: Merchant, books: Books, settings: Settings) -> Iterator[House]:
    with memory_house(is_careless=False) as house:
        settings.MESSAGING_SINGLE_BROKER_USER = False
        settings.BROKER_URL = url_of("web", house.url)
        yield house


async def test_a_capture_whose_command_is_in_the_queue_meanwhile_is_carried_out(
    house: House, manual: Payment
) -> None:
    """The checkout service believes a message from the relay only if the message is in the outbox."""
    async with at_work(house):
        await authorise(manual)
        await eventually(lambda: OutboxMessage.objects.filter(published_at=None).exists(), False)
    async with at_work(house, without="checkout") as start:
        await in_thread(actions.request_capture, manual.reference, by="ada")
        await eventually(lambda: OutboxMessage.objects.filter(published_at=None).exists(), False)
        assert await in_thread(OutboxMessage.objects.filter(type=StartOperation.to).count) == 1
        with pytest.raises(OperationRejected, match=r"Try again in a moment\."):
            await in_thread(actions.erase_payment, manual.reference, by="ada", reason="She asked.")
        start("checkout")
        await eventually(operation_states(manual), ["pending"])
        assert not await in_thread(DeadLetter.objects.exists)


@pytest.mark.usefixtures("ada")
def test_the_payment_is_not_locked_while_stored_answers_are_deleted(
    payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_locked: list[bool] = []

    def forget(subjects: list[str]) -> int:
        is_locked.append(connection.in_atomic_block)
        return 0

    monkeypatch.setattr("checkout.management.gateway.erase.erase_answers", forget)
    Payment.objects.update(state="cancelled")
    OutboxMessage.objects.update(published_at=timezone.now())
    erase(payment.reference)
    assert is_locked == [False]


def test_stored_answers_are_found_by_an_index(transactional_db: None) -> None:
    answers = IdempotencyRecord.objects.filter(subject__in=["pay_1", "op_2"])
    with connection.cursor() as cursor, transaction.atomic():
        if connection.vendor == "postgresql":
            # The table is empty, so PostgreSQL would read it as a whole.
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "answers_by_subject" in answers.explain()


@pytest.mark.usefixtures("ada")
def test_nobody_erases_a_payment_of_a_merchant_that_they_do_not_see(shop: Merchant, payment: Payment) -> None:
    MerchantAccess.objects.update(is_unlimited=False, merchants=["rival"])
    with pytest.raises(CommandError, match="does not see the merchant"):
        erase(payment.reference)
    MerchantAccess.objects.update(merchants=[shop.code])
    with pytest.raises(CommandError, match="may still be paid"):
        erase(payment.reference)


@pytest.mark.usefixtures("ada")
def test_it_needs_the_permission_and_a_payment_at_rest(shop: Merchant, payment: Payment) -> None:
    with pytest.raises(CommandError, match="erase_payment is missing"):
        erase(payment.reference, by="bob")
    with pytest.raises(CommandError, match="There is no such payment"):
        erase("pay_0")
    with pytest.raises(CommandError, match="may still be paid"):
        erase(payment.reference)
    actions.cancel_payment(payment.reference, by="ada")
    with pytest.raises(CommandError, match="under way"):
        erase(payment.reference)  # its last event is not published yet
    OutboxMessage.objects.update(published_at=timezone.now())
    with pytest.raises(CommandError, match="announce_payment about the payment has not been handled"):
        erase(payment.reference)
    announced = OutboxMessage.objects.get(type=AnnouncePayment.to)
    InboxMessage.objects.create(
        consumer="checkout",
        message_id=announced.message_id,
        type=announced.type,
        subject=announced.subject,
        received_at=timezone.now(),
    )
    other: Any = actions.create_payment(
        shop, order_reference="2", amount=Money(1, "EUR"), lines=[], description="Tea", metadata={"a": "b"}
    )
    erase(payment.reference)
    payment.refresh_from_db()
    other.refresh_from_db()
    assert (payment.shopper_email, other.metadata) == ("", {"a": "b"})
