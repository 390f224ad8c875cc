"""A refused request writes one line to the log, which names its sender and the reason."""

import logging

import pytest
import structlog

from checkout.api.access.keys import make_key, revoke_key
from checkout.api.access.scopes import Scope
from messaging.concurrency.database import in_thread
from tests.api.calling import Caller, document, order

ADDRESS = "192.0.2.7"


async def refused(caller, method, path, body=None, **headers):
    """Make a request. Return the one log line about its refusal, with the status and the document."""
    with structlog.testing.capture_logs() as lines:
        answer = await caller.call(method, path, body, **headers)
    [line] = [line for line in lines if line["event"] == "request refused"]
    assert line["status"] == answer.status
    assert line["request_id"] == document(answer)["request_id"]
    assert caller.secret not in str(lines)
    return line


@pytest.fixture
def key(shop):
    return make_key(shop, name="k", scopes=[Scope.PAYMENTS_CREATE], by="ada")


async def test_the_line_names_key_merchant_address_and_reason(shop, key, caplog):
    made, secret = key
    line = await refused(Caller(secret), "GET", "/payments")
    assert line == {
        "event": "request refused",
        "log_level": "info",
        "method": "GET",
        "path": "/api/v1/payments",
        "status": 403,
        "reason": "scope_missing",
        "request_id": line["request_id"],
        "address": ADDRESS,
        "key": made.pk,
        "merchant": shop.code,
    }
    assert not [
        each for each in caplog.records if each.name == "django.request" and each.levelno > logging.INFO
    ]


async def test_a_revoked_key_is_named(shop, key):
    made, secret = key
    await in_thread(revoke_key, made.pk)
    line = await refused(Caller(secret), "GET", "/payments")
    assert (line["reason"], line["key"], line["merchant"]) == (
        "key_revoked: Authorization",
        made.pk,
        shop.code,
    )


async def test_an_unknown_key_has_no_name_but_an_address(shop):
    line = await refused(Caller(f"sk_test_{32 * 'a'}"), "GET", "/payments")
    assert (line["reason"], line["address"]) == ("key_unknown: Authorization", ADDRESS)
    assert "key" not in line


async def test_the_fields_at_fault_are_named_and_not_what_they_have(shop, key):
    _, secret = key
    body = order(amount="12.50 told to nobody", currency="nothing")
    line = await refused(Caller(secret), "POST", "/payments", body, idempotency_key="k")
    assert line["reason"] == "invalid_request: /amount, /currency"
    assert "nobody" not in str(line)


async def test_an_answer_is_no_line(shop, api):
    with structlog.testing.capture_logs() as lines:
        assert (await api.post("/payments", order())).status == 201
    assert "request refused" not in [line["event"] for line in lines]
