"""Deliveries are sent, logged and tried again by the schedule, and no endpoint delays another."""

import asyncio
import json
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import connection
from django.db.utils import OperationalError
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from checkout.errors import IllegalTransition
from checkout.webhooks import actions, schedule
from checkout.webhooks.models import Delivery, SigningSecret
from checkout.webhooks.sending import sender as sending
from checkout.webhooks.sending.claims import LEASE_SECONDS, claim
from checkout.webhooks.sending.recording import record
from messaging.concurrency.database import in_thread
from messaging.traces import trace_id_of
from tests.support.spans import attributes_of, linked_traces, recorded_spans
from tests.webhooks import endpoint as behaviours
from tests.webhooks.conftest import SHOP, attempts_of, fresh, make_due, pinged, registered
from tests.webhooks.endpoint import answer, serving

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_delivery_is_signed_sent_and_logged(shop, make_sender):
    made = await registered(shop.url("/hook"))
    (delivery,) = await pinged(made)
    assert await make_sender().send_due() == 1
    (received,) = shop.received
    assert Webhook(made.secret).verify(received.body, received.headers) == delivery.content
    assert received.headers["webhook-id"] == delivery.event
    (attempt,) = await attempts_of(delivery)
    assert (attempt.status, attempt.error, attempt.response) == (200, "", "ok")
    assert attempt.url == shop.url("/hook")
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.tries, delivery.next_try_at) == (Delivery.State.DELIVERED, 1, None)
    assert delivery.ended_at is not None
    assert await make_sender().send_due() == 0


async def test_each_attempt_has_a_span_that_is_linked_to_the_payment(shop, make_sender):
    (delivery,) = await pinged(await registered(shop.url("/hook?key=secret")))
    await in_thread(Delivery.objects.filter(pk=delivery.pk).update, payment="pay_1")
    shop.behaviour["/hook?key=secret"] = answer(500)
    with recorded_spans() as spans:
        await make_sender().send_due()
    [span] = spans.of("send webhook")
    assert linked_traces(span) == {trace_id_of("pay_1")}
    assert attributes_of(span)["error.type"] == "status_5xx"
    assert "secret" not in span.to_json()


async def test_a_repeated_attempt_has_the_same_id_and_body_and_its_own_time(shop, make_sender):
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    shop.behaviour["/"] = answer(500)
    await make_sender().send_due()
    shop.behaviour["/"] = answer(200)
    await make_due(delivery)
    later = int(timezone.now().timestamp()) + 100
    with time_machine.travel(later, tick=False):
        await make_sender().send_due()
    first, second = shop.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    if connection.vendor != "postgresql":  # a test cannot move its clock
        assert second.headers["webhook-timestamp"] == str(later)
        assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    Webhook(made.secret).verify(second.body, second.headers)
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


async def test_during_a_rotation_both_secrets_verify_and_later_only_the_new_one(shop, make_sender):
    old = await registered(shop.url())
    new = await in_thread(actions.rotate_secret, SHOP, old.endpoint.reference)
    await pinged(old)
    await make_sender().send_due()
    for made in (old, new):
        Webhook(made.secret).verify(shop.received[0].body, shop.received[0].headers)
    past = timezone.now() - timedelta(seconds=1)
    await in_thread(SigningSecret.objects.filter(expires_at__isnull=False).update, expires_at=past)
    await pinged(old)
    await make_sender().send_due()
    assert len(shop.received[1].headers["webhook-signature"].split(" ")) == 2
    Webhook(new.secret).verify(shop.received[1].body, shop.received[1].headers)


async def test_a_second_rotation_is_refused_unless_confirmed_and_ends_no_secret(shop, make_sender):
    made = await registered(shop.url())
    reference = made.endpoint.reference
    second = await in_thread(actions.rotate_secret, SHOP, reference)
    with pytest.raises(IllegalTransition):
        await in_thread(actions.rotate_secret, SHOP, reference)
    third = await in_thread(partial(actions.rotate_secret, is_sure=True), SHOP, reference)
    await pinged(made)
    await make_sender().send_due()
    for each in (made, second, third):
        Webhook(each.secret).verify(shop.received[0].body, shop.received[0].headers)


@pytest.mark.parametrize(
    ("path", "result", "error"),
    [
        ("hang", "timed out", "timed_out"),
        ("drip", "timed out", "timed_out"),
        ("close_half_way", "broken off", "broken_off"),
        ("close_at_once", "broken off", "broken_off"),
        ("talk_nonsense", "broken off", "broken_off"),
    ],
)
async def test_an_endpoint_that_misbehaves_is_logged_and_tried_again(shop, make_sender, path, result, error):
    shop.behaviour["/"] = getattr(behaviours, path)
    (delivery,) = await pinged(await registered(shop.url()))
    before = timezone.now()
    await make_sender(seconds=0.3 if error == "timed_out" else 5).send_due()
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.tries) == (Delivery.State.PENDING, 1)
    assert delivery.last_result == result
    assert before < delivery.next_try_at < timezone.now() + timedelta(seconds=schedule.PAUSES[0])
    (attempt,) = await attempts_of(delivery)
    assert (attempt.status, attempt.error) == (None, error)


@pytest.mark.parametrize("status", [302, 400, 404, 500])
async def test_a_status_other_than_2xx_is_logged_and_tried_again(shop, make_sender, status):
    shop.behaviour["/"] = answer(status, b"why not", Location="/elsewhere")
    (delivery,) = await pinged(await registered(shop.url()))
    await make_sender().send_due()
    (attempt,) = await attempts_of(delivery)
    assert (attempt.status, attempt.error, attempt.response) == (status, "", "why not")
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.last_result) == (Delivery.State.PENDING, f"HTTP {status}")
    assert [received.path for received in shop.received] == ["/"]


async def test_the_response_is_kept_without_card_numbers_and_secrets(shop, make_sender):
    text = b'no: 4111 1111 1111 1111, "password": "hunter2" \0' + b"x" * 5000
    shop.behaviour["/"] = answer(500, text)
    (delivery,) = await pinged(await registered(shop.url()))
    await make_sender().send_due()
    (attempt,) = await attempts_of(delivery)
    assert "4111" not in attempt.response
    assert "hunter2" not in attempt.response
    assert len(attempt.response) <= 500


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 5\xff0 \xfe\x00\r\n\r\n",
        b"HTTP/1.1 500 \xff\xfe\r\nContent-Length: 4\r\n\r\n\xff\x00\xed\xa0",
        b"HTTP/1.1 500 No\r\nX: \xff\x00\r\n\r\n",
        b"HTTP/1.1 999 No\r\nRetry-After: Mon, 99 Foo 99999999 99:99:99\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_whatever_an_endpoint_answers_can_be_recorded(shop, make_sender, response):
    async def behave(exchange):
        await exchange.write(response)
        exchange.writer.close()

    shop.behaviour["/"] = behave
    (delivery,) = await pinged(await registered(shop.url()))
    await make_sender().send_due()
    assert len(await attempts_of(delivery)) == 1
    assert (await fresh(delivery)).tries == 1


async def test_an_outcome_that_cannot_be_recorded_holds_back_no_other(shop, make_sender, monkeypatch):
    first, second = await pinged(await registered(shop.url()), 2)

    def not_the_first(outcomes):
        if any(outcome.job.delivery == first.pk for outcome in outcomes):
            raise ValueError("a defect")
        record(outcomes)

    monkeypatch.setattr("checkout.webhooks.sending.sender.record", not_the_first)
    sender = make_sender()
    await sender.send_due()
    assert (await fresh(second)).state == Delivery.State.DELIVERED
    assert (await fresh(first)).state == Delivery.State.PENDING
    await make_due(first)
    assert await sender.send_due() == 1, "its place is free again"


async def test_a_name_that_leads_into_a_private_network_is_logged_and_tried_again(make_sender):
    async def look_up(_host):
        return ["10.0.0.1"]

    (delivery,) = await pinged(await registered("https://shop.example/"))
    await make_sender(look_up=look_up).send_due()
    (attempt,) = await attempts_of(delivery)
    assert attempt.error == "address_refused"
    assert (await fresh(delivery)).state == Delivery.State.PENDING


async def test_attempts_follow_the_schedule_and_then_end(shop, make_sender):
    shop.behaviour["/"] = answer(500)
    (delivery,) = await pinged(await registered(shop.url()))
    sender = make_sender()
    for number, pause in enumerate(schedule.PAUSES, start=1):
        before = timezone.now()
        assert await sender.send_due() == 1
        delivery = await fresh(delivery)
        waits = (delivery.next_try_at - before).total_seconds()
        assert pause * 0.9 <= waits <= pause + 30
        assert (delivery.state, delivery.tries) == (Delivery.State.PENDING, number)
        assert await sender.send_due() == 0
        await make_due(delivery)
    await sender.send_due()
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.tries) == (Delivery.State.FAILED, schedule.MOST_TRIES)
    assert len({received.headers["webhook-id"] for received in shop.received}) == 1
    assert len(shop.received) == schedule.MOST_TRIES


async def test_a_slow_endpoint_delays_nobody(shop, make_sender):
    async with serving() as slow:
        slow.behaviour["/"] = behaviours.hang
        slow_made, made = await registered(slow.url()), await registered(shop.url())
        late = await pinged(slow_made, 20)
        stop = asyncio.Event()
        sender = make_sender(seconds=60, per_endpoint=3, finish_seconds=0.1)
        running = asyncio.create_task(sender.run(stop))
        await slow.has_received(3)
        await pinged(made, 10)
        await shop.has_received(10)
        assert len(slow.received) == 3
        stop.set()
        await running
    assert {(await fresh(each)).tries for each in late} == {0}


async def test_a_sender_that_stops_gives_back_what_it_has_not_finished(shop, make_sender):
    shop.behaviour["/"] = behaviours.hang
    (delivery,) = await pinged(await registered(shop.url()))
    stop = asyncio.Event()
    running = asyncio.create_task(make_sender(seconds=60, finish_seconds=0.1).run(stop))
    await shop.has_received(1)
    assert (await fresh(delivery)).next_try_at > timezone.now() + timedelta(seconds=LEASE_SECONDS / 2)
    stop.set()
    await running
    delivery = await fresh(delivery)
    assert (delivery.lease, delivery.tries) == ("", 0)
    assert delivery.next_try_at <= timezone.now()
    shop.behaviour["/"] = answer(200)
    await make_sender().send_due()
    assert len({received.headers["webhook-id"] for received in shop.received}) == 1
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


async def test_a_sender_that_stops_finishes_what_is_answered_in_time(shop, make_sender):
    going_on = asyncio.Event()

    async def wait(exchange):
        await going_on.wait()
        await exchange.write(behaviours.OK)

    shop.behaviour["/"] = wait
    (delivery,) = await pinged(await registered(shop.url()))
    stop = asyncio.Event()
    running = asyncio.create_task(make_sender(seconds=60, finish_seconds=30).run(stop))
    await shop.has_received(1)
    stop.set()
    going_on.set()
    await running
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


async def test_a_crash_between_sending_and_recording_sends_again_with_the_same_id(
    shop, make_sender, monkeypatch
):
    """The first sender never records, which has the effect of a crash there."""
    (delivery,) = await pinged(await registered(shop.url()))
    crashed = make_sender()

    def crash(_outcomes):
        raise OperationalError("the process has ended")

    with monkeypatch.context() as patched:
        patched.setattr("checkout.webhooks.sending.sender.record", crash)
        await crashed.send_due()
    other = make_sender()
    assert await other.send_due() == 0, "the lease is not over"
    await make_due(delivery)
    assert await other.send_due() == 1
    first, second = shop.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.event
    assert first.body == second.body
    assert len(await attempts_of(delivery)) == 1


async def test_outcomes_are_recorded_when_the_database_is_back(shop, make_sender, monkeypatch):
    (delivery,) = await pinged(await registered(shop.url()))
    failures = iter([True, True])
    monkeypatch.setattr(sending, "DATABASE_PAUSE_SECONDS", 0.01)

    def at_times(outcomes):
        if next(failures, False):
            raise OperationalError("away")
        record(outcomes)

    monkeypatch.setattr("checkout.webhooks.sending.sender.record", at_times)
    stop, recorded = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(make_sender().run(stop))
    await shop.has_received(1)

    async def until_recorded():
        while (await fresh(delivery)).state != Delivery.State.DELIVERED:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        recorded.set()

    await asyncio.wait_for(until_recorded(), 20)
    stop.set()
    await running
    assert len(shop.received) == 1


async def test_two_senders_do_not_send_the_same_delivery(shop, make_sender):
    made = await registered(shop.url())
    deliveries = await pinged(made, 10)
    begun = await asyncio.gather(*(make_sender().send_due() for _ in range(3)))
    assert sum(begun) == len(shop.received) == 10
    assert {received.headers["webhook-id"] for received in shop.received} == {
        each.event for each in deliveries
    }


async def test_a_write_wakes_the_sender(shop, make_sender):
    made = await registered(shop.url())
    stop = asyncio.Event()
    running = asyncio.create_task(make_sender(poll_seconds=3600).run(stop))
    await pinged(made)
    await shop.has_received(1)
    stop.set()
    await running


async def test_an_endpoint_without_a_readable_secret_gets_nothing_unsigned(shop, make_sender, settings):
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", []
    await make_sender().send_due()
    assert shop.received == []
    (attempt,) = await attempts_of(delivery)
    assert attempt.error == "secret_unreadable"
    assert (await fresh(made.endpoint)).failures == 0
    await in_thread(SigningSecret.objects.all().delete)
    await make_due(delivery)
    await make_sender().send_due()
    assert shop.received == []
    assert [each.error for each in await attempts_of(delivery)] == ["secret_unreadable", "no_secret"]


async def test_more_due_deliveries_than_slots_are_taken_in_turn(shop):
    others = [await registered(shop.url(f"/{number}")) for number in range(5)]
    for made in others:
        await pinged(made, 4)
    jobs = await in_thread(claim, 6, 2, 50, {others[0].endpoint.pk: 2}, {})
    assert len(jobs) == 6
    by_endpoint = [job.endpoint for job in jobs]
    assert others[0].endpoint.pk not in by_endpoint
    assert max(by_endpoint.count(each) for each in by_endpoint) == 2


async def test_nothing_is_sent_to_a_disabled_endpoint_until_it_is_enabled(shop, make_sender):
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    await in_thread(actions.disable, SHOP, made.endpoint.reference, "moving house")
    assert await make_sender().send_due() == 0
    await in_thread(actions.enable, SHOP, made.endpoint.reference)
    assert await make_sender().send_due() == 1
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


async def test_a_body_is_json_that_is_not_changed_on_the_way(shop, make_sender):
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    await make_sender().send_due()
    assert json.loads(shop.received[0].body) == delivery.content
