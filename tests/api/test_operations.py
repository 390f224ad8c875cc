"""Captures, voids and refunds: held until the provider has answered, and once per key."""

import asyncio
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.api.access.held_requests import held_requests
from checkout.api.models import IdempotencyRecord
from checkout.conf import conf
from checkout.payments.models import Attempt, Operation, Payment, Waiter
from messaging.concurrency.database import in_thread
from messaging.registry import get_broker
from tests.api.calling import ROOT, document, end_waits, header
from tests.flows.shopping import authorise, captured, eventually, notify_all, saga_status


async def test_a_capture_is_held_until_the_provider_has_answered(api, manual, back_end):
    await authorise(manual)
    answer = await api.post(f"/payments/{manual.reference}/capture", {"amount": 1000, "metadata": {"a": "b"}})
    made = document(answer)
    assert (answer.status, made["object"], made["state"], made["amount"]) == (201, "capture", "pending", 1000)
    assert made["metadata"] == {"a": "b"}
    assert (made["attempt"], made["outcome_at"]) == (f"{manual.reference}-1", None)
    assert made["requested_by"].startswith("API key sk_test_")
    assert header(answer, "Location") == f"{ROOT}/operations/{made['id']}"
    read = document(await api.get(f"/operations/{made['id']}"))
    assert {**read, "updated_at": ""} == {**made, "updated_at": ""}
    listed = document(await api.get(f"/payments/{manual.reference}/operations?kind=capture"))
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    assert not await in_thread(Waiter.objects.count)


async def test_the_wait_counts_if_both_preferences_are_sent(api, manual, back_end):
    await authorise(manual)
    answer = await api.post(f"/payments/{manual.reference}/capture", {}, prefer="respond-async, wait=9")
    assert (answer.status, header(answer, "Preference-Applied")) == (201, "wait=9")


async def test_respond_async_is_not_held_and_its_repetition_gets_the_final_answer(api, manual, back_end):
    await authorise(manual)
    path = f"/payments/{manual.reference}/capture"
    first = await api.post(path, {}, idempotency_key="k", prefer="respond-async")
    assert (first.status, document(first)["state"]) == (202, "requested")
    assert header(first, "Preference-Applied") == "respond-async"
    assert header(first, "Retry-After")
    assert header(first, "Location") == f"{ROOT}/operations/{document(first)['id']}"
    second = await api.post(path, {}, idempotency_key="k")
    assert (second.status, document(second)["state"]) == (201, "pending")
    assert document(second)["id"] == document(first)["id"]
    assert header(second, "Idempotent-Replayed") == "true"
    third = await api.post(path, {}, idempotency_key="k")
    assert third.body == second.body
    assert await in_thread(Operation.objects.count) == 1


async def test_a_key_whose_answer_is_forgotten_makes_no_other_operation(api, manual, back_end):
    await authorise(manual)
    path = f"/payments/{manual.reference}/capture"
    first = document(await api.post(path, {"amount": 500}, idempotency_key="k"))
    await in_thread(IdempotencyRecord.objects.all().delete)
    again = document(await api.post(path, {"amount": 500}, idempotency_key="k"))
    assert again["id"] == first["id"]
    await in_thread(IdempotencyRecord.objects.all().delete)
    other = await api.post(path, {"amount": 501}, idempotency_key="k")
    assert (other.status, document(other)["code"]) == (422, "idempotency_key_reused")
    assert [each["pointer"] for each in document(other)["errors"]] == ["/amount"]
    assert await in_thread(Operation.objects.count) == 1


async def test_the_key_of_a_capture_is_another_key_for_a_refund(api, manual, books, back_end):
    await authorise(manual)
    capture = document(await api.post(f"/payments/{manual.reference}/capture", {}, idempotency_key="k"))
    await notify_all(books)
    await eventually(saga_status(manual, "capture"), "completed")
    refund = await api.post(f"/payments/{manual.reference}/refund", {}, idempotency_key="k")
    assert (refund.status, document(refund)["object"]) == (201, "refund")
    assert document(refund)["id"] != capture["id"]


async def test_a_repeated_request_is_told_to_wait_while_the_first_is_held(api, manual, silence):
    """The back end does not run, so the first request waits until the test ends its wait."""
    await _authorised_without_back_end(manual)
    path = f"/payments/{manual.reference}/capture"
    first = asyncio.ensure_future(api.post(path, {}, idempotency_key="k", prefer="wait=60"))
    await eventually(IdempotencyRecord.objects.count, 1)
    second = await api.post(path, {}, idempotency_key="k")
    assert (second.status, document(second)["code"]) == (409, "idempotency_key_in_use")
    assert header(second, "Retry-After") == "1"
    operation = await in_thread(Operation.objects.get)
    assert header(second, "Location") == f"{ROOT}/operations/{operation.reference}"
    await end_waits()
    ended = await first
    assert ended.status == 202
    after = await api.post(path, {}, idempotency_key="k", prefer="respond-async")
    assert (after.status, document(after)["id"]) == (202, operation.reference)


async def test_a_202_tells_the_present_state_and_none_that_events_have_passed(api, manual, silence):
    await _authorised_without_back_end(manual)
    path = f"/payments/{manual.reference}/capture"
    held = asyncio.ensure_future(api.post(path, {}, idempotency_key="k", prefer="wait=60"))
    await eventually(IdempotencyRecord.objects.count, 1)
    await in_thread(lambda: Operation.objects.update(state="unknown"))
    await end_waits()
    first = await held
    assert (first.status, document(first)["state"]) == (202, "unknown")
    await in_thread(lambda: Operation.objects.update(state="requested"))
    again = await api.post(path, {}, idempotency_key="k", prefer="respond-async")
    assert (again.status, document(again)["state"]) == (202, "requested")
    assert header(again, "Idempotent-Replayed") == "true"


async def test_when_a_held_client_leaves_its_repeated_request_is_not_told_to_wait(api, manual, silence):
    await _authorised_without_back_end(manual)
    path = f"/payments/{manual.reference}/capture"
    key = f"Bearer {api.secret}"
    headers = {"accept": "*/*", "authorization": key, "idempotency-key": "k", "prefer": "wait=30"}
    with api.client.started("POST", f"{ROOT}{path}", headers=headers) as exchange:
        await eventually(IdempotencyRecord.objects.count, 1)
        exchange.input_queue.put_nowait({"type": "http.disconnect"})
        await eventually(lambda: IdempotencyRecord.objects.get().held_until, None)
    again = await api.post(path, idempotency_key="k", prefer="respond-async")
    assert again.status == 202
    assert not held_requests._count


async def test_refunds_of_two_clerks_at_once_are_noticed(api, manual, books, back_end):
    await captured(manual, books)
    path = f"/payments/{manual.reference}/refund"
    first = await api.post(path, {"amount": 250, "expected_refundable": 1250})
    assert first.status == 201
    second = await api.post(path, {"amount": 250, "expected_refundable": 1250})
    assert (second.status, document(second)["code"]) == (409, "refundable_changed")
    assert document(second)["refundable"] == 1000
    too_much = await api.post(path, {"amount": 1001})
    assert (too_much.status, document(too_much)["code"]) == (409, "amount_not_available")
    assert document(too_much)["available"] == 1000
    rest = await api.post(path, {"expected_refundable": 1000})
    assert document(rest)["amount"] == 1000


async def test_a_version_counts_the_events_about_the_payment_and_no_requests(api, manual, books, back_end):
    """docs/life-cycle.md says how a program combines events with payments that it reads."""
    await captured(manual, books)
    path = f"/payments/{manual.reference}"
    before = document(await api.get(path))
    assert (await api.post(f"{path}/refund", {"amount": 250})).status == 201
    after = document(await api.get(path))
    assert after["version"] == before["version"], "the request of an operation is no move"
    assert (before["amounts"]["refundable"], after["amounts"]["refundable"]) == (1250, 1000)
    await notify_all(books)
    await eventually(saga_status(manual, "refund"), "completed")
    listed = document(await api.get(f"/events?object_id={manual.reference}&limit=100"))["data"]
    told = [each["data"]["object"] for each in reversed(listed) if each["type"].startswith("payment.")]
    assert [each["version"] for each in told] == list(range(len(told)))
    read = document(await api.get(path))
    assert (read["version"], read["state"]) == (len(told) - 1, "partially_refunded")


async def test_a_void_releases_the_authorisation(api, manual, back_end):
    await authorise(manual)
    answer = await api.post(f"/payments/{manual.reference}/void")
    assert (answer.status, document(answer)["object"]) == (201, "void")


async def test_a_second_void_is_told_of_the_first_and_of_no_capture(api, manual, silence):
    """A program whose first request has timed out would otherwise believe that money was taken."""
    await _authorised_without_back_end(manual)
    path = f"/payments/{manual.reference}/void"
    assert (await api.post(path, prefer="respond-async")).status == 202
    second = await api.post(path)
    assert (second.status, document(second)["code"]) == (409, "not_possible_now")
    assert document(second)["detail"] == "The payment has a void already, which was not refused."
    assert await in_thread(Operation.objects.filter(kind="void").count) == 1


@pytest.mark.parametrize("verb", ["capture", "void", "refund"])
async def test_an_amount_in_the_query_is_refused_and_is_not_taken_for_everything(api, manual, silence, verb):
    """Without a body, everything that is left would be captured or refunded."""
    await _authorised_without_back_end(manual)
    answer = await api.post(f"/payments/{manual.reference}/{verb}?amount=250")
    assert (answer.status, document(answer)["code"]) == (422, "invalid_request")
    advice = "There is no such parameter. Send fields in the body."
    assert document(answer)["errors"] == [{"parameter": "amount", "detail": advice}]
    assert not await in_thread(Operation.objects.count)
    assert not await in_thread(IdempotencyRecord.objects.count)


async def test_what_is_not_possible_changes_nothing(api, manual, shop):
    for verb in ("capture", "void", "refund"):
        answer = await api.post(f"/payments/{manual.reference}/{verb}", {})
        assert (answer.status, document(answer)["code"]) == (409, "not_possible_now")
        # The state is not named, because staff and the API have different words for it.
        assert document(answer)["detail"] == f"In its present state, the payment has nothing to {verb}."
    assert not await in_thread(Operation.objects.count)
    assert not await in_thread(IdempotencyRecord.objects.count)


async def test_a_key_has_a_limited_number_of_held_requests(api, manual, settings, silence):
    settings.CHECKOUT_API_HELD_PER_KEY = 1
    await _authorised_without_back_end(manual)
    path = f"/payments/{manual.reference}/capture"
    held = asyncio.ensure_future(api.post(path, {"amount": 1}, prefer="wait=60"))
    await eventually(IdempotencyRecord.objects.count, 1)
    refused = await api.post(path, {"amount": 2})
    assert (refused.status, document(refused)["code"]) == (429, "too_many_held")
    assert (await api.post(path, {"amount": 3}, prefer="respond-async")).status == 202
    await end_waits()
    assert (await held).status == 202
    assert sorted(
        await in_thread(lambda: list(Operation.objects.values_list("amount_minor", flat=True)))
    ) == [1, 3]
    assert not held_requests._count


async def test_a_process_that_died_while_it_held_leaves_a_202_that_becomes_final(api, manual, back_end):
    """The record says until when the request may be held; after that, the operation itself is read."""
    await authorise(manual)
    path = f"/payments/{manual.reference}/capture"
    await api.post(path, {}, idempotency_key="k", prefer="respond-async")
    later = timezone.now() + timedelta(seconds=30)
    await in_thread(lambda: IdempotencyRecord.objects.update(held_until=later))
    await eventually(lambda: Operation.objects.get().state, "pending")
    answer = await api.post(path, {}, idempotency_key="k")
    assert (answer.status, document(answer)["state"]) == (201, "pending")


async def test_ten_captures_at_once_with_one_key_are_one(api, manual, back_end):
    await authorise(manual)
    path = f"/payments/{manual.reference}/capture"
    answers = await asyncio.gather(*(api.post(path, {}, idempotency_key="k") for _ in range(10)))
    assert {answer.status for answer in answers} <= {201, 409}
    bodies = {answer.body for answer in answers if answer.status == 201}
    assert len(bodies) == 1
    assert await in_thread(Operation.objects.count) == 1


async def _authorised_without_back_end(payment):
    """Write the rows of an authorised payment."""

    def write():
        account = payment.merchant.provider_accounts.get()
        Attempt.objects.create(
            payment=payment, number=1, provider_account=account, order_code="code-1", state="authorised"
        )
        Payment.objects.filter(pk=payment.pk).update(state="authorised")

    await in_thread(write)


async def test_held_requests_take_no_thread(api, payment, settings, silence):
    """A hundred requests wait for a payment that is being processed."""
    settings.CHECKOUT_API_HELD_PER_KEY = 1000
    await in_thread(lambda: Payment.objects.filter(pk=payment.pk).update(state="processing"))
    path = f"/payments/{payment.reference}"
    await api.get(path, prefer="wait=1")
    before = threading.active_count()
    waiting = [asyncio.ensure_future(api.get(path, prefer="wait=60")) for _ in range(100)]
    async with asyncio.timeout(50):
        while get_broker().reply_queue.waiting < 100:  # noqa: ASYNC110  nobody announces it
            await asyncio.sleep(0.01)
    assert threading.active_count() <= before + conf.database_threads
    await end_waits(100)
    assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
    assert not held_requests._count


async def test_a_read_waits_until_the_provider_has_answered(api, manual, back_end):
    await authorise(manual)
    first = await api.post(f"/payments/{manual.reference}/capture", {}, prefer="respond-async")
    assert document(first)["state"] == "requested"
    answer = await api.get(f"/operations/{document(first)['id']}", prefer="wait=20")
    assert (answer.status, document(answer)["state"]) == (200, "pending")
    assert header(answer, "Preference-Applied") == "wait=20"
    again = await api.get(f"/operations/{document(first)['id']}")
    assert (document(again)["state"], header(again, "Preference-Applied")) == ("pending", "")
