"""Payments: created, read, listed, cancelled, and refused requests."""

import asyncio
from datetime import timedelta

import pytest
from django.urls import resolve
from django.utils import timezone

from checkout.api.answers import catalogue
from checkout.api.requests.ids import NoSuchId
from checkout.payments.models import Payment, ProviderAccount
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.api.calling import ROOT, document, header, order
from tests.flows.shopping import pay

PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'


async def test_a_payment_is_created_with_the_address_of_its_checkout(api):
    answer = await api.post("/payments", order(customer_email="a@example.com", metadata={"basket": "7"}))
    created = document(answer)
    assert answer.status == 201
    assert header(answer, "Location") == f"{ROOT}/payments/{created['id']}"
    assert header(answer, "Cache-Control") == "no-store"
    assert header(answer, "Api-Version")
    assert created["checkout_url"] == created["next_action"]["url"]
    assert created["checkout_url"].endswith(f"/checkout/{created['id']}/")
    assert (created["state"], created["is_final"], created["live"]) == ("open", False, False)
    assert (created["amount"], created["currency"]) == (1250, "EUR")
    assert (created["customer_email"], created["metadata"]) == ("a@example.com", {"basket": "7"})

    read = await api.get(f"/payments/{created['id']}")
    by_order = await api.get("/payments/by-order?order_reference=A-1")
    listed = await api.get("/payments")
    assert document(read) == document(by_order) == created == document(listed)["data"][0]


async def test_only_the_request_that_has_created_a_payment_is_told_so_whatever_clocks_say(api):
    created = await api.post("/payments", order())
    ahead = timezone.now() + timedelta(seconds=30)
    await in_thread(lambda: Payment.objects.update(created_at=ahead))
    again = await api.post("/payments", order())
    assert (created.status, again.status) == (201, 200)
    assert document(again)["id"] == document(created)["id"]


async def test_an_order_keeps_its_payment_although_no_account_could_take_a_new_one(api):
    created = await api.post("/payments", order())
    await in_thread(ProviderAccount.objects.all().delete)
    again = await api.post("/payments", order())
    assert (again.status, document(again)["id"]) == (200, document(created)["id"])
    other = await api.post("/payments", order("A-2"))
    assert (other.status, document(other)["code"]) == (409, "no_provider_account")
    assert await in_thread(Payment.objects.count) == 1


async def test_the_same_order_again_is_the_same_payment_and_another_amount_a_conflict(api):
    first = document(await api.post("/payments", order()))
    again = await api.post("/payments", order())
    assert (again.status, document(again)["id"]) == (200, first["id"])
    other = await api.post("/payments", order(amount=1251))
    assert (other.status, document(other)["code"]) == (409, "order_has_payment")
    assert document(other)["errors"][0]["pointer"] == "/amount"
    elsewhere = document(await api.post("/payments", order(customer_email="other@shop.example")))
    [fault] = elsewhere["errors"]
    assert fault["pointer"] == "/customer_email"
    assert elsewhere["detail"] == fault["detail"]
    assert "another customer email" in fault["detail"]


@pytest.mark.parametrize("path", ["/payments", "/payment-links"])
async def test_a_merchant_whom_nobody_could_pay_gets_no_payment(api, books, path):
    def take_away():
        ProviderAccount.objects.all().delete()

    await in_thread(take_away)
    answer = await api.post(path, order())
    assert (answer.status, document(answer)["code"]) == (409, "no_provider_account")
    assert await in_thread(Payment.objects.count) == 0


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"amount": "1250"}, "/amount"),
        ({"amount": 1250.0}, "/amount"),
        ({"amount": True}, "/amount"),
        ({"amount": 0}, "/amount"),
        ({"amount": -1}, "/amount"),
        ({"amount": 10_000_000_000}, "/amount"),
        ({"amount": None}, "/amount"),
        ({"currency": "eur"}, "/currency"),
        ({"currency": "XXY"}, "/currency"),
        ({"currency": "€€€"}, "/currency"),
        ({"currency": 978}, "/currency"),
        ({"description": ""}, "/description"),
        ({"description": " "}, "/description"),
        ({"description": 51 * "x"}, "/description"),
        ({"description": "two\nlines"}, "/description"),
        ({"order_reference": 101 * "x"}, "/order_reference"),
        ({"order_reference": 7}, "/order_reference"),
        ({"customer_email": "nobody"}, "/customer_email"),
        ({"lines": {}}, "/lines"),
        ({"lines": [{"sku": "tea"}]}, "/lines/0/quantity"),
        ({"lines": [{"sku": "tea", "quantity": 0}]}, "/lines/0/quantity"),
        ({"lines": [{"sku": "tea", "quantity": 1, "price": 1}]}, "/lines/0/price"),
        ({"return_url": "https://evil.example/"}, "/return_url"),
        ({"return_url": "javascript:alert(1)"}, "/return_url"),
        ({"metadata": {"a": 1}}, "/metadata"),
        ({"metadata": {41 * "a": "x"}}, "/metadata"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": {str(number): "" for number in range(51)}}, "/metadata"),
        ({"expires_at": "yesterday"}, "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "/expires_at"),
        ({"expires_at": 1}, "/expires_at"),
        ({"captures_automatically": "yes"}, "/captures_automatically"),
        ({"captures_automatically": 1}, "/captures_automatically"),
        ({"locale": "not a locale"}, "/locale"),
        ({"amonut": 1}, "/amonut"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_created(api, changes, pointer):
    answer = await api.post("/payments", order(**changes))
    assert (answer.status, document(answer)["code"]) == (422, "invalid_request")
    pointers = [each.get("pointer", "") for each in document(answer)["errors"]]
    assert any(each == pointer or each.startswith(f"{pointer}/") for each in pointers)
    assert not await in_thread(Payment.objects.count)


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("my.key", "/metadata/my.key"),
        ("a/b", "/metadata/a~1b"),
        ("a~b", "/metadata/a~0b"),
        ("a[0]", "/metadata/a[0]"),
        ("a: b", "/metadata/a: b"),
    ],
)
async def test_a_name_of_metadata_is_one_part_of_its_pointer(api, name, pointer):
    answer = await api.post("/payments", order(metadata={name: "a\n"}))
    [fault] = document(answer)["errors"]
    assert fault["pointer"] == pointer
    assert fault["detail"].startswith("A value must be a string")


async def test_missing_fields_are_all_named(api):
    answer = await api.post("/payments", {})
    assert {each["pointer"] for each in document(answer)["errors"]} == {
        "/order_reference", "/amount", "/currency", "/description",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"content_type": "text/plain"}, order(), 415, "unsupported_media_type"),
        ({"content_type": "application/x-www-form-urlencoded"}, b"a=1", 415, "unsupported_media_type"),
        ({"content_type": "multipart/form-data"}, b"a=1", 415, "unsupported_media_type"),
        ({"content_type": "multipart/form-data; boundary=x"}, PART, 415, "unsupported_media_type"),
        ({"content_encoding": "gzip"}, order(), 415, "unsupported_media_type"),
        ({"accept": "text/html"}, order(), 406, "not_acceptable"),
        ({"accept": "nonsense"}, order(), 406, "not_acceptable"),
        ({}, b"{", 400, "malformed_json"),
        ({}, b'{"a": "' + 300_000 * b"x" + b'"}', 413, "too_large"),
        ({"host": "evil.example"}, order(), 400, "malformed"),
        ({}, order(description="4111 1111 1111 1111"), 400, "card_number"),
    ],
)
async def test_a_request_that_cannot_be_read_is_a_problem_with_its_id(api, headers, body, status, code):
    answer = await api.post("/payments", body, **headers)
    assert (answer.status, document(answer)["code"]) == (status, code)
    assert header(answer, "Content-Type") == "application/problem+json"
    assert document(answer)["request_id"] == header(answer, "Request-Id") != ""
    assert document(answer)["type"].endswith(f"/problems/{code}")


async def test_a_query_of_too_many_parts_is_a_problem(api):
    answer = await api.get(f"/payments?{1001 * '&'}")
    assert (answer.status, document(answer)["code"]) == (400, "malformed")
    assert document(answer)["request_id"] == header(answer, "Request-Id") != ""


async def test_methods(api):
    head = await api.call("HEAD", "/payments")
    assert head.status == 200
    for method in ("DELETE", "PUT", "PATCH", "TRACE", "QUERY", "FOO"):
        answer = await api.call(method, "/payments")
        assert (answer.status, document(answer)["code"]) == (405, "method_not_allowed")
        assert header(answer, "Allow") == "GET, POST, HEAD, OPTIONS"
    options = await api.call("OPTIONS", "/payments", authorization="")
    assert (options.status, header(options, "Allow")) == (204, "GET, POST, HEAD, OPTIONS")
    assert not header(options, "Content-Length"), "a 204 has none (RFC 9110, section 8.6)"


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/payments/", "/payments/1/", "/payments/pay_1/nothing"]
)
async def test_an_unknown_address_is_a_problem_document(api, path):
    answer = await api.get(path)
    assert (answer.status, document(answer)["code"]) == (404, "not_found")
    assert header(answer, "Request-Id")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/payments/1001", "payment_not_found"),
        ("GET", "/payments/pay_doesnotexist", "payment_not_found"),
        ("GET", f"/payments/pay_{32 * '0'}%0A", "payment_not_found"),
        ("GET", f"/payments/PAY_{32 * '0'}", "payment_not_found"),
        ("GET", "/payments/pay_1%00/operations", "payment_not_found"),
        ("POST", "/payments/pay_1/refund", "payment_not_found"),
        ("GET", "/operations/op_1", "operation_not_found"),
        ("GET", "/events/evt_1", "event_not_found"),
        ("GET", "/events/evt_1/deliveries", "event_not_found"),
        ("GET", "/payment-links/lnk_1", "payment_link_not_found"),
        ("GET", "/webhook-endpoints/whk_1", "webhook_not_found"),
        ("POST", "/webhook-endpoints/whk_1/ping", "webhook_not_found"),
        ("POST", "/deliveries/dlv_1/resend", "webhook_not_found"),
    ],
)
async def test_a_wrong_id_is_answered_as_an_unknown_one_of_its_kind(api, method, path, code):
    answer = await api.call(method, path, {} if method == "POST" else None)
    assert (answer.status, document(answer)["code"]) == (404, code)


async def test_a_wrong_id_is_kept_from_views_and_needs_a_key_as_others_do(api):
    match = resolve("/api/v1/payments/1001")
    assert match.kwargs == {"reference": NoSuchId(catalogue.PAYMENT_NOT_FOUND)}
    answer = await api.get("/payments/1001", authorization="")
    assert (answer.status, document(answer)["code"]) == (401, "key_missing")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=pay_1", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", "cursor"),
        ("cursor=%C3%BC", "cursor"),
        ("state=paid", "state"),
        ("created_from=2026", "created_from"),
        ("order_reference=%00", "order_reference"),
        ("page=2", "page"),
        ("%ff=1", "\ufffd"),
    ],
)
async def test_a_wrong_parameter_is_named(api, query, parameter):
    answer = await api.get(f"/payments?{query}")
    assert (answer.status, document(answer)["code"]) == (422, "invalid_request")
    assert parameter in [each["parameter"] for each in document(answer)["errors"]]


async def test_a_list_is_read_page_by_page(api):
    ids = [document(await api.post("/payments", order(f"A-{number}")))["id"] for number in range(5)]
    read, query = [], "limit=2"
    while query:
        page = document(await api.get(f"/payments?{query}"))
        read += [each["id"] for each in page["data"]]
        query = f"limit=2&cursor={page['next_cursor']}" if page["has_more"] else ""
    assert read == ids[::-1]
    by_order = document(await api.get("/payments?order_reference=A-3"))
    assert [each["id"] for each in by_order["data"]] == [ids[3]]
    assert document(await api.get("/payments?state=captured"))["data"] == []


async def test_an_unpaid_payment_is_cancelled_once_and_stays_so(api):
    created = document(await api.post("/payments", order()))
    for key in ("one", "one", "two", ""):
        answer = await api.post(f"/payments/{created['id']}/cancel", idempotency_key=key)
        assert (answer.status, document(answer)["state"]) == (200, "cancelled")
        assert document(answer)["available_actions"] == []


async def test_the_refusal_of_a_cancellation_names_the_state_that_the_payment_shows(api):
    created = document(await api.post("/payments", order()))
    await in_thread(Payment.objects.update, state=PaymentState.CONFLICTED)
    refused = document(await api.post(f"/payments/{created['id']}/cancel"))
    assert refused["code"] == "not_possible_now"
    assert refused["detail"] == "A payment that is unknown cannot be cancelled."


async def test_a_payment_is_cancelled_by_six_requests_at_once(api):
    created = document(await api.post("/payments", order()))
    path = f"/payments/{created['id']}/cancel"
    keys = ("", "", "", "one", "two", "three")
    answers = await asyncio.gather(*(api.post(path, idempotency_key=key) for key in keys))
    assert [(answer.status, document(answer)["state"]) for answer in answers] == 6 * [(200, "cancelled")]
    page = document(await api.get(f"/events?object_id={created['id']}&types=payment.cancelled"))
    assert len(page["data"]) == 1


async def test_a_read_waits_for_the_end_of_the_processing(api, payment, back_end):
    paying = asyncio.ensure_future(pay(payment, "approve"))
    async with asyncio.timeout(20):
        while document(await api.get(f"/payments/{payment.reference}", prefer="wait=10"))["state"] == "open":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    answer = await api.get(f"/payments/{payment.reference}", prefer="wait=10")
    await paying
    assert header(answer, "Preference-Applied") == "wait=10"
    assert document(answer)["state"] in ("captured", "capture_pending")
    assert document(answer)["card"] is None or "last4" in document(answer)["card"]


async def test_the_time_that_was_applied_is_told_and_not_the_one_that_was_wished_for(api, settings):
    settings.CHECKOUT_API_LONGEST_WAIT_SECONDS = 7
    created = document(await api.post("/payments", order()))
    answer = await api.get(f"/payments/{created['id']}", prefer="wait=99999")
    assert header(answer, "Preference-Applied") == "wait=7"


async def test_events_tell_what_happened(api, payment, back_end):
    await pay(payment, "approve")
    page = document(await api.get(f"/events?object_id={payment.reference}&limit=100"))
    types = [each["type"] for each in page["data"]][::-1]
    assert types[0] == "payment.created"
    assert "payment.processing" in types
    first = page["data"][-1]
    assert document(await api.get(f"/events/{first['id']}")) == first
    assert first["sequence"] == 1
    some = document(await api.get("/events?types=payment.created,payment.processing"))
    assert {each["type"] for each in some["data"]} == {"payment.created", "payment.processing"}
