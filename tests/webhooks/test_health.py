"""Failing endpoints are spared, warned and disabled, in this order; later they get everything."""

import asyncio
import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from checkout.mail import AT_ONCE
from checkout.webhooks import actions, notices, schedule
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from messaging.concurrency.database import in_thread
from tests.webhooks.conftest import SHOP, fresh, make_due, pinged, registered
from tests.webhooks.endpoint import OK, answer

pytestmark = pytest.mark.django_db(transaction=True)

State = WebhookEndpoint.State


def pause_of(endpoint) -> float:
    return (endpoint.paused_until - timezone.now()).total_seconds() if endpoint.paused_until else 0


async def age(endpoint, **fields) -> None:
    """Set times of the endpoint, as if it had failed for long."""
    await in_thread(WebhookEndpoint.objects.filter(pk=endpoint.pk).update, **fields)


async def failing(made, since: datetime, *, last: datetime | None = None, **fields) -> None:
    """Let the endpoint have failed since this time, and last an hour ago, with a pending delivery."""
    (delivery,) = await pinged(made)
    tried = {"tries": 9, "last_result": "HTTP 500", "next_try_at": timezone.now() + timedelta(hours=1)}
    await in_thread(lambda: Delivery.objects.filter(pk=delivery.pk).update(**tried))
    attempt = DeliveryAttempt(delivery=delivery, url=made.endpoint.url, status=500, at=last or ago(hours=1))
    await in_thread(attempt.save)
    await age(made.endpoint, failures=50, failing_since=since, **fields)


def ago(**time) -> datetime:
    return timezone.now() - timedelta(**time)


async def test_410_disables_the_endpoint_and_says_so(shop, make_sender, settings):
    settings.CHECKOUT_OPERATORS_EMAIL = "operators@gateway.example"
    shop.behaviour["/"] = answer(410)
    made = await registered(shop.url(), contact_email="dev@shop.example")
    delivery, waiting = await pinged(made, 2)
    await make_sender(per_endpoint=1).send_due()
    endpoint = await fresh(made.endpoint)
    assert (endpoint.state, endpoint.state_reason) == (State.DISABLED, "it answered 410 Gone")
    assert endpoint.state_since > ago(minutes=1)
    assert {(await fresh(each)).state for each in (delivery, waiting)} == {"pending"}
    assert await make_sender().send_due() == 0
    assert await notices.look_after_endpoints() == 1
    (sent,) = mail.outbox
    assert sent.to == ["dev@shop.example", "operators@gateway.example"]
    assert "was disabled: it answered 410 Gone" in sent.body
    assert endpoint.reference in sent.body
    assert await notices.look_after_endpoints() == 0


@pytest.mark.parametrize("status", [410, 500])
async def test_a_failure_after_the_endpoint_was_disabled_says_nothing_about_it(shop, make_sender, status):
    """Staff who have disabled the endpoint are not told that it fails, and their reason is kept."""
    going_on = asyncio.Event()

    async def fail_later(exchange):
        await going_on.wait()
        await answer(status)(exchange)

    shop.behaviour["/"] = fail_later
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    sending = asyncio.create_task(make_sender().send_due())
    await shop.has_received(1)
    await in_thread(actions.disable, SHOP, made.endpoint.reference, "repairs")
    going_on.set()
    await sending
    endpoint = await fresh(made.endpoint)
    assert (endpoint.failing_since, endpoint.failures, endpoint.owed_notice) == (None, 0, "")
    assert (endpoint.state, endpoint.state_reason) == (State.DISABLED, "repairs")
    assert (await fresh(delivery)).tries == 1


async def test_an_attempt_under_way_ends_no_delivery_that_is_to_be_sent_again(shop, make_sender):
    going_on = asyncio.Event()

    async def wait(exchange):
        await going_on.wait()
        await exchange.write(OK)

    shop.behaviour["/"] = wait
    (delivery,) = await pinged(await registered(shop.url()))
    sending = asyncio.create_task(make_sender().send_due())
    await shop.has_received(1)
    await in_thread(actions.resend, SHOP, delivery.reference)
    going_on.set()
    await sending
    assert (await fresh(delivery)).state == Delivery.State.PENDING
    assert await make_sender().send_due() == 1
    assert len(shop.received) == 2
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


@pytest.mark.parametrize("status", sorted(schedule.THROTTLING))
async def test_an_endpoint_that_says_it_is_too_much_is_paused_for_longer_each_time(shop, make_sender, status):
    shop.behaviour["/"] = answer(status)
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    pauses = []
    for _ in range(3):
        await make_sender().send_due()
        pauses.append(pause_of(await fresh(made.endpoint)))
        await make_due(delivery)
    assert 4 < pauses[0] <= 5 < pauses[1] <= 10 < pauses[2] <= 20


async def test_nothing_is_sent_to_a_paused_endpoint(shop, make_sender):
    shop.behaviour["/"] = answer(429)
    made = await registered(shop.url())
    await pinged(made)
    await make_sender().send_due()
    later = await pinged(made)  # this ends the pause, for a test
    await age(made.endpoint, paused_until=timezone.now() + timedelta(seconds=60))
    assert await make_sender().send_due() == 0
    await make_due(*later)
    assert await make_sender().send_due() == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_the_pause_that_an_endpoint_asks_for_is_kept(shop, make_sender, status):
    shop.behaviour["/"] = answer(status, Retry_After="120")
    made = await registered(shop.url())
    await pinged(made)
    await make_sender().send_due()
    assert 100 < pause_of(await fresh(made.endpoint)) <= 120


async def test_a_pause_has_a_limit(shop, make_sender):
    shop.behaviour["/"] = answer(429, Retry_After="99999999")
    made = await registered(shop.url())
    await pinged(made)
    await make_sender().send_due()
    assert pause_of(await fresh(made.endpoint)) <= schedule.LONGEST_RETRY_AFTER_SECONDS


async def test_a_broken_endpoint_gets_one_delivery_at_a_time_and_everything_when_it_is_back(
    shop, make_sender
):
    shop.behaviour["/"] = answer(500)
    made = await registered(shop.url())
    deliveries = await pinged(made, schedule.FAILURES_TO_OPEN + 5)
    sender = make_sender(per_endpoint=schedule.FAILURES_TO_OPEN)
    assert await sender.send_due() == schedule.FAILURES_TO_OPEN
    endpoint = await fresh(made.endpoint)
    assert endpoint.failures == schedule.FAILURES_TO_OPEN
    assert 20 < pause_of(endpoint) <= schedule.FIRST_OPEN_SECONDS
    assert await sender.send_due() == 0
    await make_due(*deliveries)
    assert await sender.send_due() == 1
    assert 50 < pause_of(await fresh(made.endpoint)) <= 2 * schedule.FIRST_OPEN_SECONDS
    shop.behaviour["/"] = answer(200)
    await make_due(*deliveries)
    assert await sender.send_due() == 1
    endpoint = await fresh(made.endpoint)
    assert (endpoint.failures, endpoint.failing_since) == (0, None)
    while await sender.send_due():
        pass
    assert {(await fresh(each)).state for each in deliveries} == {Delivery.State.DELIVERED}


def test_pauses_of_an_endpoint_are_bounded():
    assert schedule.endpoint_pause(1, 500, None) == 0
    assert schedule.endpoint_pause(1, None, None) == 0
    assert schedule.endpoint_pause(10_000, 502, None) == schedule.LONGEST_OPEN_SECONDS
    assert schedule.endpoint_pause(9, 504, None) == schedule.LONGEST_THROTTLE_SECONDS


def test_the_schedule_takes_less_than_three_days():
    assert timedelta(hours=64) < timedelta(seconds=sum(schedule.PAUSES)) < timedelta(days=3)
    assert list(schedule.PAUSES) == sorted(schedule.PAUSES)
    assert schedule.pause_after(schedule.MOST_TRIES) is None
    pauses = {schedule.pause_after(1) or 0 for _ in range(20)}
    assert len(pauses) > 1
    assert all(4.5 <= pause <= 5 for pause in pauses)


async def test_a_failing_endpoint_is_warned_once_before_it_is_disabled(shop):
    made = await registered(shop.url(), contact_email="dev@shop.example")
    await failing(made, ago(hours=23))
    assert await notices.look_after_endpoints() == 0
    await age(made.endpoint, failing_since=ago(hours=25))
    assert await notices.look_after_endpoints() == 1
    assert await notices.look_after_endpoints() == 0
    (warning,) = mail.outbox
    assert warning.subject == "Your webhook endpoint does not answer"
    assert "it will be disabled" in warning.body
    endpoint = await fresh(made.endpoint)
    assert (endpoint.state, endpoint.warned_at is None) == (State.ENABLED, False)


async def test_an_endpoint_that_fails_no_more_is_neither_warned_nor_disabled(shop):
    """Nothing was sent to the endpoint after its only failure, the last attempt at an event."""
    made = await registered(shop.url(), contact_email="dev@shop.example")
    (delivery,) = await pinged(made)
    over = {"state": Delivery.State.FAILED, "tries": 11, "next_try_at": None, "ended_at": ago(hours=80)}
    await in_thread(lambda: Delivery.objects.filter(pk=delivery.pk).update(**over))
    await age(made.endpoint, failures=1, failing_since=ago(hours=80))
    assert await notices.look_after_endpoints() == 0
    await age(made.endpoint, warned_at=ago(hours=30))
    assert await notices.look_after_endpoints() == 0
    assert (await fresh(made.endpoint)).state == State.ENABLED
    assert mail.outbox == []


async def test_an_endpoint_is_not_disabled_for_a_problem_of_the_gateway(shop):
    made = await registered(shop.url())
    await failing(made, ago(hours=80), warned_at=ago(hours=30))
    await in_thread(lambda: Delivery.objects.update(last_result="secret unreadable"))
    assert await notices.look_after_endpoints() == 0
    assert (await fresh(made.endpoint)).state == State.ENABLED


async def test_an_endpoint_is_neither_warned_nor_disabled_for_the_time_in_which_nothing_was_sent(
    shop, make_sender
):
    """The gateway was switched off for months: the endpoint may work again, and is tried first."""
    made = await registered(shop.url(), contact_email="dev@shop.example")
    await failing(made, ago(days=91), last=ago(days=90))
    assert await notices.look_after_endpoints() == 0
    await age(made.endpoint, warned_at=ago(days=90))
    assert await notices.look_after_endpoints() == 0
    assert ((await fresh(made.endpoint)).state, mail.outbox) == (State.ENABLED, [])
    shop.behaviour["/"] = answer(500)
    await make_due(*await in_thread(lambda: list(Delivery.objects.all())))
    await make_sender().send_due()
    await notices.look_after_endpoints()
    assert (await fresh(made.endpoint)).state == State.DISABLED


async def test_an_endpoint_is_not_disabled_without_a_day_after_the_warning(shop):
    made = await registered(shop.url(), contact_email="dev@shop.example")
    await failing(made, ago(hours=100))
    for _ in range(2):
        await notices.look_after_endpoints()
    assert (await fresh(made.endpoint)).state == State.ENABLED
    await age(made.endpoint, warned_at=ago(hours=25))
    await notices.look_after_endpoints()
    endpoint = await fresh(made.endpoint)
    assert endpoint.state == State.DISABLED
    assert endpoint.state_reason.startswith("it has failed since ")
    assert [sent.subject for sent in mail.outbox] == [
        "Your webhook endpoint does not answer",
        "Your webhook endpoint was disabled",
    ]


async def test_an_endpoint_is_not_disabled_while_no_warning_can_be_sent(shop, monkeypatch):
    made = await registered(shop.url(), contact_email="dev@shop.example")
    await failing(made, ago(hours=100))

    def refuse(*_arguments):
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", refuse)
        for _ in range(2):
            assert await notices.look_after_endpoints() == 0
    assert (await fresh(made.endpoint)).warned_at is None
    await age(made.endpoint, notice_after=ago(seconds=1))
    assert await notices.look_after_endpoints() == 1
    assert len(mail.outbox) == 1


async def test_an_endpoint_of_which_nobody_is_told_by_mail_is_warned_in_the_back_office(shop):
    made = await registered(shop.url())
    await failing(made, ago(hours=25))
    assert await notices.look_after_endpoints() == 1
    assert mail.outbox == []
    assert (await fresh(made.endpoint)).warned_at is not None


async def test_a_success_ends_the_warning(shop, make_sender):
    made = await registered(shop.url())
    past = datetime(2020, 1, 1, tzinfo=UTC)
    await failing(made, past, warned_at=past)
    await pinged(made)
    await make_sender().send_due()
    endpoint = await fresh(made.endpoint)
    assert (endpoint.failures, endpoint.failing_since, endpoint.warned_at) == (0, None, None)
    assert await notices.look_after_endpoints() == 0


async def test_an_endpoint_that_is_enabled_again_begins_anew(shop):
    made = await registered(shop.url())
    await failing(made, ago(hours=100), warned_at=ago(hours=50))
    await notices.look_after_endpoints()
    assert (await fresh(made.endpoint)).state == State.DISABLED
    await in_thread(actions.enable, SHOP, made.endpoint.reference)
    endpoint = await fresh(made.endpoint)
    assert (endpoint.state, endpoint.state_reason, endpoint.failures) == (State.ENABLED, "", 0)
    assert await notices.look_after_endpoints() == 0


async def test_as_many_notices_are_sent_at_once_as_mail_has_threads(monkeypatch):
    # As on a machine with few processors.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    deliver, all_are_there = EmailBackend.send_messages, threading.Barrier(AT_ONCE)

    def meet(backend, messages):
        all_are_there.wait(5)
        return deliver(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", meet)
    for number in range(AT_ONCE):
        made = await registered("https://shop.example/", contact_email=f"dev{number}@shop.example")
        await failing(made, ago(hours=25))
    assert await notices.look_after_endpoints() == AT_ONCE


async def test_a_mail_server_that_is_away_is_waited_for_once_a_round(monkeypatch):
    together = threading.Barrier(3)

    def hang(_backend, _messages):
        together.wait(10)
        raise TimeoutError

    made = [await registered("https://shop.example/", contact_email="dev@shop.example") for _ in range(3)]
    for each in made:
        await age(each.endpoint, owed_notice="failing")
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", hang)
        assert await notices.look_after_endpoints() == 0
    assert not together.broken, "all three waited together"
    for each in made:
        await age(each.endpoint, notice_after=ago(seconds=1))
    assert await notices.look_after_endpoints() == 3


@pytest.mark.parametrize(
    "failure",
    [smtplib.SMTPRecipientsRefused({}), smtplib.SMTPServerDisconnected(), TimeoutError(), ValueError()],
)
async def test_an_address_that_fails_keeps_no_other_from_being_written_to(monkeypatch, failure):
    deliver = EmailBackend.send_messages

    def refuse(backend, messages):
        if messages[0].to == ["refused@shop.example"]:
            raise failure
        return deliver(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    for name in ("refused", "dev", "refused"):
        made = await registered("https://shop.example/", contact_email=f"{name}@shop.example")
        await age(made.endpoint, owed_notice="failing")
    assert await notices.look_after_endpoints() == 1
    assert [sent.to for sent in mail.outbox] == [["dev@shop.example"]]


async def test_a_notice_that_may_have_been_sent_is_sent_again_only_after_a_pause(monkeypatch):
    """A mail server that accepts the text, and is cut off before it says so, delivers it each time."""
    accepted, deliver = [], EmailBackend.send_messages

    def cut_off(backend, messages):
        accepted.append(messages)
        raise smtplib.SMTPServerDisconnected

    made = await registered("https://shop.example/", contact_email="dev@shop.example")
    await age(made.endpoint, owed_notice="failing")
    monkeypatch.setattr(EmailBackend, "send_messages", cut_off)
    for _ in range(3):
        assert await notices.look_after_endpoints() == 0
    assert len(accepted) == 1
    monkeypatch.setattr(EmailBackend, "send_messages", deliver)
    await age(made.endpoint, notice_after=ago(seconds=1))
    assert await notices.look_after_endpoints() == 1


async def test_two_processes_send_a_notice_once():
    made = await registered("https://shop.example/", contact_email="dev@shop.example")
    await age(made.endpoint, owed_notice="failing")
    assert sorted(await asyncio.gather(*(notices.look_after_endpoints() for _ in range(2)))) == [0, 1]
    assert len(mail.outbox) == 1


async def test_an_address_that_no_e_mail_can_have_keeps_the_operators_from_nothing(settings):
    settings.CHECKOUT_OPERATORS_EMAIL = "operators@gateway.example"
    made = await registered("https://shop.example/", contact_email="dev@shop.example")
    await age(made.endpoint, owed_notice="failing", contact_email="dev@1א.example")
    assert await notices.look_after_endpoints() == 1
    assert [sent.to for sent in mail.outbox] == [["operators@gateway.example"]]
