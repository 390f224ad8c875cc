"""The client library in Python, on a running gateway, and on servers with unusual answers."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal, cast
from uuid import uuid4
from zipfile import ZipFile

import pytest

from checkout.conf.api import TRY_OUT_API_KEY
from checkout.webhooks.signing import Keys, headers
from payments_gateway_client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    NotReachable,
    ServerError,
    TooManyRequests,
    WebhookNotGenuine,
    verify_webhook,
)
from payments_gateway_client.models import CreatePayment
from tests.api.clients.paying import assert_pays, program_of
from tests.support.program import ROOT

on_the_stack = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow, pytest.mark.timeout(400)]
FOLDER = ROOT / "clients/python"
Answer = tuple[int, Mapping[str, str], Any] | Literal["lost"]
PAYMENT: Answer = (201, {}, {"id": "pay_1"})


def marked(*marks: pytest.MarkDecorator):
    def decorated(test):
        for each in marks:
            test = each(test)
        return test

    return decorated


@dataclass
class Scripted:
    """A server that gives these answers one after the other, and stores the requests."""

    answers: list[Answer]
    url: str = ""
    keys: list[str | None] = field(default_factory=list)

    @property
    def client(self) -> Client:
        return Client(self.url, "sk_test_1")


@contextmanager
def scripted(*answers: Answer) -> Iterator[Scripted]:
    script = Scripted(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def handle_request_of_client(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.keys.append(self.headers.get("Idempotency-Key"))
            answer = script.answers.pop(0)
            if answer == "lost":
                return
            status, given, content = answer
            self.send_response(status)
            for name, value in given.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content if isinstance(content, bytes) else json.dumps(content).encode())

        do_GET = do_POST = do_PATCH = do_DELETE = handle_request_of_client  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


def tea(order: str, **other: Any) -> CreatePayment:
    """Return the body of a payment."""
    body: Any = {"order_reference": order, "amount": 1250, "currency": "GBP", "description": "Tea", **other}
    return cast(CreatePayment, body)


def problem(status: int, code: str, **given: str) -> Answer:
    told = {"status": status, "code": code, "detail": "No.", "request_id": "req_1"}
    return status, given, told


def test_a_lost_answer_and_refusals_are_followed_by_the_same_key():
    busy = {"Retry-After": "0"}
    answers: list[Answer] = [
        "lost",
        problem(503, "unavailable", **busy),
        problem(429, "quota_exceeded", **busy),
    ]
    in_use = problem(409, "idempotency_key_in_use", **busy)
    with scripted(*answers, in_use, PAYMENT) as server, server.client as client:
        assert client.create_payment(tea("1"), idempotency_key="key") == PAYMENT[2]
        assert server.keys == ["key"] * 5


def test_what_may_have_happened_is_not_repeated_without_a_key():
    with scripted("lost") as server, server.client as client:
        with pytest.raises(NotReachable):
            client.advance_clock("pay_1", {"seconds": 1})
        assert server.keys == [None]
    with scripted(problem(503, "unavailable")) as server, server.client as client:
        with pytest.raises(ServerError):
            client.advance_clock("pay_1", {"seconds": 1})
        assert server.keys == [None]


def test_what_was_refused_unread_is_repeated_without_a_key():
    with scripted(problem(429, "quota_exceeded", **{"Retry-After": "0"}), PAYMENT) as server:
        with server.client as client:
            assert client.advance_clock("pay_1", {"seconds": 1}) == PAYMENT[2]
        assert server.keys == [None, None]


def test_a_longer_pause_is_left_to_the_caller():
    with scripted(problem(429, "too_many_unknown_keys", **{"Retry-After": "60"})) as server:
        with server.client as client, pytest.raises(TooManyRequests) as raised:
            client.list_payments()
        assert raised.value.retry_after == 60


@pytest.mark.parametrize("answer", [(200, {}, b"<html>"), (200, {}, []), (302, {"Location": "/"}, b"")])
def test_an_answer_of_somebody_else_is_no_answer(answer):
    with scripted(answer) as server, server.client as client, pytest.raises(NotReachable):
        client.create_customer_session("pay_1")


def test_an_error_without_a_problem_document_is_told_by_its_status():
    with scripted((404, {}, b"<html>")) as server, server.client as client:
        with pytest.raises(NotFound) as raised:
            client.get_payment("../pay_1?x=%")
        assert (raised.value.code, raised.value.problem) == ("", {})


def signed(body: bytes, *keys: Keys, age: int = 0) -> dict[str, str]:
    return headers("evt_1", int(time.time()) - age, body, keys)


def test_webhooks_are_verified_with_any_of_several_secrets():
    body, old, new = b'{"type": "webhook.test"}', Keys.new(), Keys.new()
    for signers, secrets in (((old,), (old, new)), ((new,), (old, new)), ((old, new), (new,))):
        given = {name.title(): value for name, value in signed(body, *signers).items()}
        event = verify_webhook(body, given, *(each.secret for each in secrets))
        assert event["type"] == "webhook.test"


def test_webhooks_that_are_not_genuine_are_refused():
    body, keys = b'{"type": "webhook.test"}', Keys.new()
    good = signed(body, keys)
    bad = [
        (body + b" ", good),
        (body, signed(body, Keys.new())),
        (body, signed(body, keys, age=302)),
        (body, signed(body, keys, age=-302)),
        (body, {}),
        (body, good | {"webhook-id": "evt_2"}),
        *((body, good | {"webhook-signature": each}) for each in ("", "v1", "v1,", "v1,ü v2,x", "v1,=", " ")),
        *((body, good | {"webhook-timestamp": each}) for each in ("", "x", "²", "-1", "1" * 5000)),
    ]
    for each, given in bad:
        with pytest.raises(WebhookNotGenuine):
            verify_webhook(each, given, keys.secret)
    late = signed(body, keys, age=400)
    assert verify_webhook(body, late, keys.secret, tolerance_seconds=500)["type"] == "webhook.test"
    for secret in ("whsec_", "whsec_not base64", "whsec_" + base64.b64encode(b"").decode()):
        with pytest.raises(ValueError):
            verify_webhook(body, good, secret)


@marked(*on_the_stack)
def test_the_program_of_the_readme_pays_once_on_a_bad_connection(shared_stack, tmp_path):
    def save(source: str) -> list[str]:
        (tmp_path / "pay.py").write_text(source)
        return [sys.executable, str(tmp_path / "pay.py")]

    source = program_of("python", "python")
    assert_pays(shared_stack, tmp_path, source, save, PYTHONPATH=str(FOLDER))


@marked(*on_the_stack)
def test_an_error_names_each_wrong_field(shared_stack):
    with Client(shared_stack.web_url, TRY_OUT_API_KEY) as client, pytest.raises(InvalidRequest) as raised:
        client.create_payment(cast(CreatePayment, {"amount": 1}), idempotency_key="k")
    assert {each["pointer"] for each in raised.value.errors} >= {"/order_reference", "/currency"}
    assert "/currency" in str(raised.value)


@marked(*on_the_stack)
async def test_the_gateways_problems_are_typed_errors_for_both_kinds_of_clients(shared_stack):
    calls: list[tuple[type[ApiError], str, str, tuple[Any, ...], dict[str, Any]]] = [
        (NotFound, "payment_not_found", "get_payment", (f"pay_{'0' * 32}",), {}),
        (InvalidRequest, "invalid_request", "create_payment", ({"amount": 1},), {"idempotency_key": "k"}),
    ]
    with Client(shared_stack.web_url, TRY_OUT_API_KEY) as client:
        for kind, code, name, arguments, named in calls:
            with pytest.raises(kind) as raised:
                getattr(client, name)(*arguments, **named)
            assert raised.value.code == code
            assert raised.value.request_id
    async with AsyncClient(shared_stack.web_url, TRY_OUT_API_KEY) as client:
        for kind, code, name, arguments, named in calls:
            with pytest.raises(kind) as raised:
                await getattr(client, name)(*arguments, **named)
            assert raised.value.code == code
    with Client(shared_stack.web_url, "sk_test_unknown") as client, pytest.raises(NotAuthenticated):
        client.list_payments()


@marked(*on_the_stack)
async def test_lists_are_read_page_by_page_by_both_kinds_of_clients(shared_stack):
    basket = uuid4().hex
    with Client(shared_stack.web_url, TRY_OUT_API_KEY) as client:
        made = [
            client.create_payment(
                tea(f"{basket}-{number}", metadata={"basket": basket}),
                idempotency_key=f"{basket}-{number}",
            )["id"]
            for number in range(5)
        ]
        cancelled = client.cancel_payment(made[0], idempotency_key=f"{basket}-cancel")
        assert cancelled["state"] == "cancelled"
        with pytest.raises(Conflict):
            client.create_payment(tea(f"{basket}-0", amount=1), idempotency_key=f"{basket}-other")
        found = client.iterate_payments(metadata=f"basket:{basket}", limit=2)
        assert [each["id"] for each in found] == made[::-1]
        unpaid = client.list_payments(metadata=f"basket:{basket}", state=["open", "captured"])["data"]
        assert [each["id"] for each in unpaid] == made[:0:-1]
    async with AsyncClient(shared_stack.web_url, TRY_OUT_API_KEY) as client:
        pages = client.iterate_payments(metadata=f"basket:{basket}", limit=2)
        assert [each["id"] async for each in pages] == made[::-1]


@pytest.mark.slow
def test_the_wheel_has_the_types(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "--wheel-dir", tmp_path, FOLDER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("payments_gateway_client-*.whl")
    names = set(ZipFile(wheel).namelist())
    assert names >= {f"payments_gateway_client/{name}" for name in ("py.typed", "models.py", "client.py")}
