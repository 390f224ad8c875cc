"""One action per Idempotency-Key, and the same answer each time."""

import asyncio
import tracemalloc
from datetime import timedelta
from hashlib import sha256

import pytest
from django.test import AsyncRequestFactory
from django.utils import timezone

from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.answers.refusal import Refusal
from checkout.api.models import IdempotencyRecord
from checkout.api.requests.idempotency import (
    Keyed,
    Made,
    answer_in,
    delete_expired_answers,
    erase_answers,
    key_of,
    once,
    settle,
)
from checkout.money import Money
from checkout.payments.actions import create_payment
from checkout.payments.models import Merchant, Payment
from messaging.concurrency.database import in_thread
from tests.api.calling import Caller, document, header, order


async def test_twenty_at_once_make_one_payment_and_get_equal_answers(api):
    answers = await asyncio.gather(
        *(api.post("/payments", order(), idempotency_key="one") for _ in range(20))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert await in_thread(Payment.objects.count) == 1
    replayed = [header(answer, "Idempotent-Replayed") for answer in answers]
    assert sorted(replayed) == ["", *19 * ["true"]]
    assert len({header(answer, "Location") for answer in answers}) == 1


async def test_another_body_is_refused_and_the_difference_named(api):
    await api.post("/payments", order(metadata={"a": "1", "b": "2"}), idempotency_key="k")
    body = order(amount=1, metadata={"a": "1", "b": "3"}, locale="de")
    answer = await api.post("/payments", body, idempotency_key="k")
    assert (answer.status, document(answer)["code"]) == (422, "idempotency_key_reused")
    assert [each["pointer"] for each in document(answer)["errors"]] == ["/amount", "/locale", "/metadata/b"]
    without = await api.post("/payments", order(metadata={"a": "1"}), idempotency_key="k")
    assert [each["pointer"] for each in document(without)["errors"]] == ["/metadata/b"]


async def test_the_order_and_spacing_of_fields_make_no_difference(api):
    await api.post(
        "/payments",
        b'{"order_reference":"1","amount":1,"currency":"EUR","description":"x"}',
        idempotency_key="k",
    )
    body = b' {"description": "x", "currency":"EUR", "amount" :1, "order_reference":"\\u0031"}'
    answer = await api.post("/payments", body, idempotency_key="k")
    assert (answer.status, header(answer, "Idempotent-Replayed")) == (201, "true")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("", "idempotency_key_missing"),
        ('""', "idempotency_key_malformed"),
        ('"a', "idempotency_key_malformed"),
        ('a"', "idempotency_key_malformed"),
        ('"a"b"', "idempotency_key_malformed"),
        ('"a";p=1', "idempotency_key_malformed"),
        ("a,b", "idempotency_key_malformed"),
        ("a b", "idempotency_key_malformed"),
        ("\u00fc", "idempotency_key_malformed"),
        (256 * "a", "idempotency_key_malformed"),
        ("4444333322221111", "idempotency_key_malformed"),
        ('"order 4444 3333 2222 1111"', "idempotency_key_malformed"),
        ("order-4444-3333-2222-1111", "idempotency_key_malformed"),
    ],
)
async def test_a_missing_or_malformed_key_is_refused(api, sent, code):
    answer = await api.post("/payments", order(), idempotency_key=sent)
    assert (answer.status, document(answer)["code"]) == (400, code)
    assert document(answer)["errors"][0]["header"] == "Idempotency-Key"
    assert not await in_thread(Payment.objects.count)


def test_a_request_with_two_keys_is_refused():
    request = AsyncRequestFactory().post("/api/v1/payments")
    headers = [(b"idempotency-key", b"a"), (b"idempotency-key", b"b")]
    request.scope = {**request.scope, "headers": headers}
    with pytest.raises(Refusal) as refused:
        key_of(request, "shop", {})
    assert refused.value.problem.code == catalogue.KEY_NOT_READABLE.code


async def test_a_body_that_is_refused_is_not_taken_to_pieces_for_its_key_before(api):
    """The pointer of each inner field begins with the outer name, so those for this body take 80 MB."""
    body = {**order(), 20_000 * "a": {str(number): 1 for number in range(4_000)}}
    tracemalloc.start()
    try:
        answer = await api.post("/payments", body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status, document(answer)["code"]) == (422, "invalid_request")
    assert peak < 30_000_000


async def test_quotation_marks_are_not_part_of_a_key(api):
    first = await api.post("/payments", order(), idempotency_key="a-b")
    second = await api.post("/payments", order(), idempotency_key='"a-b"')
    assert second.body == first.body
    assert header(second, "Idempotent-Replayed") == "true"
    spaced = await api.post("/payments", order("2"), idempotency_key=r'"a \"b\" \\"')
    assert spaced.status == 201
    assert await in_thread(lambda: IdempotencyRecord.objects.filter(key=r'a "b" \ '.strip()).count()) == 1


async def test_a_key_belongs_to_a_merchant_and_a_route(api, stranger, manual):
    first = await api.post("/payments", order(), idempotency_key="k")
    theirs = await stranger.post("/payments", order(amount=7), idempotency_key="k")
    assert document(theirs)["id"] != document(first)["id"]
    cancelled = await api.post(f"/payments/{document(first)['id']}/cancel", idempotency_key="k")
    assert document(cancelled)["state"] == "cancelled"
    assert (await api.post("/payments", order(), idempotency_key="k")).body == first.body
    assert (await stranger.post("/payments", order(amount=7), idempotency_key="k")).body == theirs.body


async def test_a_refused_request_stores_nothing_and_can_be_corrected_with_its_key(api, settings):
    assert (await api.post("/payments", order(amount=0), idempotency_key="k")).status == 422
    assert (await Caller("").post("/payments", order(), idempotency_key="k")).status == 401
    settings.CHECKOUT_API_REQUESTS = 1
    assert (await api.post("/payments", order(), idempotency_key="k")).status in (201, 429)
    settings.CHECKOUT_API_REQUESTS = 1000
    await api.post("/payments", order("A-2"), idempotency_key="first")
    assert (await api.post("/payments", order("A-2", amount=3), idempotency_key="x")).status == 409
    corrected = await api.post("/payments", order("A-3"), idempotency_key="x")
    assert (corrected.status, header(corrected, "Idempotent-Replayed")) == (201, "")


async def test_a_process_that_dies_in_the_middle_leaves_nothing_and_the_retry_acts(api, monkeypatch):
    """The end of the transaction before its commit undoes the record with the action."""

    class Killed(BaseException):
        pass

    def die(*_arguments, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("checkout.api.requests.idempotency.update", die)
        with pytest.raises(Killed):
            await in_thread(lambda: once(Keyed("shop", "POST /x", "k", {}), _made_payment))
    assert not await in_thread(Payment.objects.count)
    assert not await in_thread(IdempotencyRecord.objects.count)


def _made_payment():
    shop = Merchant.objects.get(code="shop")
    create_payment(shop, order_reference="1", amount=Money(1, "EUR"), description="x")
    return Made(Answer(201, b"{}"))


async def test_records_are_forgotten_after_thirty_days(api):
    await api.post("/payments", order("old"), idempotency_key="old")
    await api.post("/payments", order("new"), idempotency_key="new")
    long_ago = timezone.now() - timedelta(days=31)
    await in_thread(lambda: IdempotencyRecord.objects.filter(key="old").update(created_at=long_ago))
    assert await in_thread(delete_expired_answers) == 1
    assert await in_thread(lambda: list(IdempotencyRecord.objects.values_list("key", flat=True))) == ["new"]


async def test_nothing_of_a_body_is_readable_in_its_record(api):
    await api.post("/payments", order(customer_email="secret@example.com"), idempotency_key="k")
    record = await in_thread(IdempotencyRecord.objects.get)
    assert "secret@example.com" not in str(vars(record))
    assert "/customer_email" in record.fields
    plain = sha256(b'"secret@example.com"').hexdigest()
    assert record.fields["/customer_email"][:16] != plain[:16]


async def test_a_repetition_gets_its_answer_after_a_change_of_the_secret_key(api, settings):
    first = await api.post("/payments", order(), idempotency_key="k")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = 50 * "another"
    second = await api.post("/payments", order(), idempotency_key="k")
    assert (second.status, second.body) == (201, first.body)
    other = await api.post("/payments", order(amount=7), idempotency_key="k")
    assert [each["pointer"] for each in document(other)["errors"]] == ["/amount"]


async def test_an_answer_under_a_dropped_secret_key_is_lost_and_nothing_is_done_again(api, settings):
    await api.post("/payments", order(), idempotency_key="k")
    settings.SECRET_KEY = 50 * "another"
    second = await api.post("/payments", order(), idempotency_key="k")
    assert (second.status, document(second)["code"]) == (409, "idempotent_answer_lost")
    assert await in_thread(Payment.objects.count) == 1


def test_the_final_answer_is_that_of_the_request_that_had_it_first(db):
    keyed = Keyed("shop", "POST /api/v1/payments/", "k", {})
    asked = Made(Answer.of(202, {"state": "processing"}), "pay_1")
    (held, _), (repeated, _) = [once(keyed, lambda: asked, held_seconds=8) for _ in range(2)]
    settle(repeated, Answer.of(201, {"state": "captured"}))
    settle(held, Answer.of(201, {"state": "refunded"}))
    assert answer_in(held, is_replay=False).body == b'{"state":"captured"}'
    assert answer_in(once(keyed, lambda: asked)[0], is_replay=True).body == b'{"state":"captured"}'


def test_a_held_request_is_answered_although_its_payment_was_erased_meanwhile(db):
    keyed = Keyed("shop", "POST /api/v1/payments/", "k", {})
    record, _ = once(keyed, lambda: Made(Answer.of(202, {"state": "processing"}), "pay_1"), held_seconds=8)
    erase_answers(["pay_1"])
    settle(record, Answer.of(201, {"state": "captured"}))
    told = answer_in(record, is_replay=False)
    assert (told.status, told.body) == (201, b'{"state":"captured"}')
