"""Bad input gets a clear page or a problem document with the right status, and changes nothing."""

import asyncio
import encodings
import json
import logging
from urllib.parse import urlencode

import pytest
from django.test.signals import template_rendered

from checkout.payments.models import Attempt, Payment
from checkout.problems import page_of
from messaging.concurrency.database import in_thread
from payments_gateway.serving import body_limit as limits
from payments_gateway.serving.security.plain_headers import PlainHeaders
from tests.support.asgi import receive

UNKNOWN = "pay_00000000000000000000000000000000"
CARD = "4444333322221111"
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'


@pytest.fixture(params=[True, False], ids=["debug", "production"], autouse=True)
def _debug(request, settings):
    settings.DEBUG = request.param


def assert_clear(answer, status):
    assert answer.status == status
    assert "Traceback" not in answer.text
    assert "Exception" not in answer.text
    assert "<h1>" in answer.text
    assert answer.headers["content-security-policy"]


def assert_problem(answer, status, code):
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = json.loads(answer.text)
    assert document["status"] == status
    assert document["type"].endswith(f"/{code}")
    assert document["title"]


@pytest.mark.parametrize("page", ["", "challenge/", "status/", "result/"])
async def test_an_unknown_payment_has_no_pages(shop, client, page):
    assert_clear(await client.get(f"/checkout/{UNKNOWN}/{page}"), 404)


async def test_an_unknown_payment_has_no_status_document(shop, client):
    assert_problem(await client.get(f"/checkout/{UNKNOWN}/status.json"), 404, "payment_not_found")


@pytest.mark.parametrize(
    "path", ["/nothing/", "/checkout/pay_x/", "/checkout/pay_%00/", "/checkout/../../etc/passwd", "/admin2"]
)
async def test_an_address_that_is_not_ours(shop, client, path):
    assert_clear(await client.get(path), 404)


async def test_a_program_is_told_in_json(shop, client):
    answer = await client.get("/nothing/", headers={"accept": "application/json"})
    assert_problem(answer, 404, "not_found")


async def test_a_forgotten_slash_is_added(shop, checkout):
    answer = await checkout.client.get(checkout.path("status"))
    assert (answer.status, answer.headers["location"]) == (301, checkout.path("status/"))


@pytest.mark.parametrize(
    ("method", "page", "allow"),
    [("GET", "pay/", "POST"), ("POST", "result/", "GET, HEAD"), ("DELETE", "", "GET, HEAD")],
)
async def test_a_wrong_method_is_told_which_are_right(shop, checkout, method, page, allow):
    token = {"x-csrftoken": (await checkout.filled_form("x"))["csrfmiddlewaretoken"]}
    answer = await checkout.client.request(method, checkout.path(page), headers=token)
    assert_clear(answer, 405)
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt_number": "many"},
        {"attempt_number": ""},
        {"attempt_number": "0"},
        {"encrypted_card": "x" * 8193},
        {"encrypted_card": "two words"},
    ],
    ids=str,
)
async def test_a_malformed_payment_form_changes_nothing(shop, checkout, changes):
    assert_clear(await checkout.pay("approve", **changes), 400)
    assert await in_thread(Attempt.objects.count) == 0


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(1001))),
        ("application/x-www-form-urlencoded; charset=utf-16", b"a=1"),
        ("multipart/form-data; boundary=x; charset=base64", PART),
    ],
)
async def test_a_body_that_cannot_be_read(shop, checkout, content_type, body):
    answer = await checkout.client.post(checkout.path("pay/"), body, headers={"content-type": content_type})
    assert answer.status in (400, 403)
    assert_clear(answer, answer.status)


STRANGE = [
    ("content-type", "text/plain; charset=strange-1"),
    ("content-type", 'text/plain; charset="utf-8;strange-2"'),
    ("content-type", "text/plain; charset\xa0=strange-3"),
    ("content-type", "text/plain; charset=utf-8; charset=strange-4"),
    ("content-type", "text/plain; a*=strange-5''b"),
    ("content-type", "text/plain; a*0* = strange-6''b"),
    ("content-type", "text/plain; charset=punycode"),
    ("accept", "text/html; a*=strange-7''b"),
    ("accept", "*/*, text/html;a*0*=strange-8''b"),
]


@pytest.mark.parametrize(("name", "value"), STRANGE)
@pytest.mark.parametrize("path", ["/livez", "/nothing/", "/admin/login/", "/checkout/{}/", "/api/v1/events"])
async def test_a_header_that_names_a_strange_charset(shop, payment, client, caplog, path, name, value):
    path = path.format(payment.reference)
    answer = await client.get(path, headers={name: value})
    assert answer.status in (200, 302, 401, 404, 406)
    assert not [known for known in encodings._cache if "strange" in known]
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("values", "is_kept"),
    [
        ([b"text/xml"], True),
        ([b'Text/XML ; Charset="ISO-8859-1"'], True),
        ([b"application/x-www-form-urlencoded;charset=UTF-8"], True),
        ([b"application/json; version=1"], True),
        ([b"text/xml; charset=utf-8", b"AAAA"], False),
        ([b"multipart/form-data; boundary=----WebKitFormBoundaryabc123"], True),
        ([b"multipart/form-data; boundary=x; charset=utf-7"], False),
        ([b"multipart/mixed; boundary=x"], False),
        ([b"text/xml; charset=utf-8; x=" + 300 * b"y"], False),
        ([b""], False),
    ],
)
async def test_a_content_type_is_kept_if_there_is_one_that_is_plain(values, is_kept):
    kept: list[bytes] = []

    async def nothing(*_arguments):
        """Stand in for the functions with which an application receives and sends."""

    async def inside(scope, _receive, _send):
        kept.extend(value for name, value in scope["headers"] if name == b"content-type")

    headers = [(b"content-type", value) for value in values]
    await PlainHeaders(inside)({"type": "http", "headers": headers}, nothing, nothing)
    assert kept == (values if is_kept else [])


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/checkout/{}/", "/checkout/{}/status.json"])
async def test_a_query_of_too_many_fields_beside_a_charset(shop, payment, client, path):
    path = f"{path.format(payment.reference)}?{'&'.join(1_001 * ['a'])}"
    answer = await client.get(path, headers={"content-type": "text/plain; charset=utf-8"})
    assert answer.status == 400
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded; charset=UTF-8",
        'application/x-www-form-urlencoded; charset="utf-8"',
        "Application/X-WWW-Form-Urlencoded;charset=utf-8",
    ],
)
async def test_a_form_in_a_usual_charset_is_read(shop, checkout, settings, content_type):
    form = await checkout.filled_form("approve")
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.01
    answer = await checkout.client.post(
        checkout.path("pay/"), urlencode(form).encode(), headers={"content-type": content_type}
    )
    assert answer.status == 303


async def test_a_host_that_is_not_ours(shop, checkout):
    assert_clear(await checkout.client.get("/", headers={"host": "evil.example"}), 400)
    assert_clear(await checkout.get(headers={"host": "evil.example"}), 400)


async def test_a_declared_body_that_is_too_large_is_not_waited_for(shop, checkout):
    headers = {"content-length": str(10**9)}
    with checkout.client.started("POST", checkout.path("pay/"), headers=headers, whole=False) as exchange:
        answer = await receive(exchange)
    assert_clear(answer, 413)
    assert answer.headers["connection"] == "close"


async def test_an_undeclared_body_is_counted(shop, checkout):
    headers = {"content-length": "", "transfer-encoding": "chunked"}
    data = b"x" * 300_000
    with checkout.client.started(
        "POST", checkout.path("pay/"), data=data, headers=headers, whole=False
    ) as exchange:
        assert_clear(await receive(exchange), 413)


async def nobody(message):
    raise AssertionError("there is nobody to send to")


async def test_a_body_that_does_not_end_is_given_up_on():
    seen = []

    async def application(scope, receive, send):
        seen.append((scope["serving.refused"].status, await receive()))

    never = asyncio.Event()

    async def receive_slowly():
        await never.wait()

    limited = limits.BodyLimit(application, max_bytes=10, read_seconds=0.01)
    await limited({"type": "http", "headers": []}, receive_slowly, nobody)
    assert seen == [(408, {"type": "http.request", "body": b"", "more_body": False})]


async def arriving(pieces):
    """Return the size of a body that arrives in these pieces, or the status that refuses it."""
    seen: list[int] = []

    async def application(scope, receive, send):
        refused = scope.get("serving.refused")
        seen.append(refused.status if refused else len((await receive())["body"]))

    async def receive():
        body, more = await anext(pieces)
        return {"type": "http.request", "body": body, "more_body": more}

    limited = limits.BodyLimit(application, max_bytes=10_000, read_seconds=600)
    async with asyncio.timeout(20):
        await limited({"type": "http", "headers": []}, receive, nobody)
    return seen[0]


async def test_a_body_of_a_byte_now_and_then_is_given_up_on(settings):
    settings.SERVING_BODY_GRACE_SECONDS = 0.1
    settings.SERVING_BODY_BYTES_PER_SECOND = 1_000

    async def pieces():
        while True:
            await asyncio.sleep(0.01)
            yield b"x", True

    assert await arriving(pieces()) == 408


async def test_a_body_that_keeps_the_pace_is_read_to_its_end(settings):
    """Each piece extends the deadline by the time for the next one, so a busy machine does no harm."""
    settings.SERVING_BODY_GRACE_SECONDS = 0.1
    settings.SERVING_BODY_BYTES_PER_SECOND = 100

    async def pieces():
        for number in range(20):
            yield b"x" * 200, number < 19
            await asyncio.sleep(0.01)

    assert await arriving(pieces()) == 4_000


async def test_a_client_that_leaves_before_the_end_gets_no_answer():
    async def application(scope, receive, send):
        raise AssertionError("nobody is there any more")

    async def leave():
        return {"type": "http.disconnect"}

    await limits.BodyLimit(application, max_bytes=10, read_seconds=5)(
        {"type": "http", "headers": []}, leave, nobody
    )


async def test_a_body_of_the_largest_size_passes(shop, checkout, settings):
    form = await checkout.filled_form("approve")
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.01
    answer = await checkout.client.post(checkout.path("pay/"), {**form, "more": "x" * 200_000})
    assert answer.status == 303


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", f"device_data_reference={CARD}"),
        ("application/x-www-form-urlencoded", "email=4444+3333+2222+1111"),
        ("application/x-www-form-urlencoded", "x=4444%2D3333%2D2222%2D1111"),
        ("application/json", json.dumps({"a": [{"b": int(CARD)}]})),
        ("application/json", json.dumps({"note": f"card {CARD}, please"})),
    ],
)
@pytest.mark.parametrize("path", ["/", "/checkout/{}/pay/", "/admin/login/"])
async def test_a_card_number_is_refused_wherever_it_comes_and_written_nowhere(
    shop, payment, client, caplog, path, content_type, body
):
    caplog.set_level(logging.DEBUG)
    path = path.format(payment.reference)
    answer = await client.post(path, body.encode(), headers={"content-type": content_type})
    assert_clear(answer, 400)
    assert "card number" in answer.text.lower()
    assert CARD not in answer.text
    assert CARD not in caplog.text


async def test_a_card_number_in_an_address_is_refused(shop, checkout):
    assert_clear(await checkout.get(f"?number={CARD}"), 400)


async def test_identifiers_with_long_runs_of_digits_are_no_card_numbers(shop, checkout, settings):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.01
    answer = await checkout.pay("approve", device_data_reference=f"0_{CARD}abcdef")
    assert answer.status == 303


async def test_a_database_that_is_away_is_not_the_visitors_fault(shop, checkout, lose_queries):
    lose_queries(Payment)
    answer = await checkout.get()
    assert_clear(answer, 503)
    assert answer.headers["retry-after"]


async def test_the_page_of_a_refusal_is_made_once(client):
    page_of.cache_clear()
    first = await client.get("/checkout/nothing/")
    made = []

    def note(**details):
        made.append(details["template"])

    template_rendered.connect(note)
    again = [await client.get("/checkout/nothing/") for _ in range(20)]
    template_rendered.disconnect(note)
    assert {(answer.status, answer.text) for answer in again} == {(404, first.text)}
    assert made == []
