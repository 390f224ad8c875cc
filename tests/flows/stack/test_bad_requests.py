"""Bad requests over HTTP get the right status and a clear page or problem document, and change nothing."""

from urllib.parse import urlencode

import pytest

from tests.flows.stack.wire import CSRF, CSRF_COOKIE, FORM

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

UNKNOWN = "pay_" + 32 * "0"
TOKEN = 43 * "A"
PAY_FORM = {"csrfmiddlewaretoken": CSRF, "encrypted_card": "eyJh.b.c.d.e", "attempt_number": "1"}
AS_FORM = [FORM, CSRF_COOKIE]


@pytest.fixture(params=["text/html", "application/json"], ids=["page", "document"])
def accept(request):
    return ("Accept", request.param)


def assert_refused(quiet, accept, status, method, path, *, body=b"", headers=()):
    path = path.format(
        unpaid=quiet.unpaid,
        challenged=quiet.challenged,
        return_path=quiet.return_path,
        expired_path=quiet.expired_path,
        token=quiet.return_path.split("/")[-2],
    )
    with quiet.unchanged() as wire:
        answer = wire.request(method, path, body=body, headers=[accept, *headers])
    as_json = accept[1] != "text/html" or path.startswith("/notifications/") or ".json" in path
    answer.assert_clear(status, as_json=as_json)
    return answer


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        (404, "GET", f"/checkout/{UNKNOWN}/"),
        (404, "GET", f"/checkout/{UNKNOWN}/challenge/"),
        (404, "GET", f"/checkout/{UNKNOWN}/status/"),
        (404, "GET", f"/checkout/{UNKNOWN}/status.json"),
        (404, "GET", f"/checkout/{UNKNOWN}/result/"),
        (404, "GET", f"/checkout/{UNKNOWN}/challenge/return/{TOKEN}/"),
        (404, "POST", f"/checkout/{UNKNOWN}/challenge/return/{TOKEN}/"),
        (404, "GET", "/orders/order-unknown/"),
        (404, "GET", f"/checkout/{{challenged}}/challenge/return/{TOKEN}/"),
        (404, "POST", f"/checkout/{{challenged}}/challenge/return/{TOKEN}/"),
        (404, "POST", "/checkout/{unpaid}/challenge/return/{token}/"),
        (404, "POST", "/checkout/{challenged}/challenge/return/short/"),
        (410, "GET", "{expired_path}"),
        (410, "POST", "{expired_path}"),
    ],
)
def test_no_such_payment_or_token(quiet, accept, status, method, path):
    assert_refused(quiet, accept, status, method, path)


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (404, "/checkout/pay_%00/"),
        (404, "/checkout/{unpaid}%00/"),
        (404, "/checkout/{unpaid}/challenge/return/%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00/"),
        (404, f"/checkout/pay_{8_000 * 'a'}/"),
        (404, f"/checkout/{8_000 * '0'}/"),
        (404, f"/orders/{5_000 * 'x'}/"),
        (404, "/orders/%00/"),
        (404, "/checkout/%FF%FE/"),
        (404, "/checkout/..%2f..%2fetc%2fpasswd"),
        (404, "/static/..%2f..%2fsettings.py"),
        (404, "/static/%00"),
        (404, "//checkout/{unpaid}/"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_address_that_nobody_has_made(quiet, accept, status, path):
    if path.startswith("/static/"):
        with quiet.unchanged() as wire:
            assert wire.request("GET", path, headers=[accept]).status == status
    else:
        assert_refused(quiet, accept, status, "GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/checkout/{unpaid}/pay/", "POST"),
        ("PUT", "/checkout/{unpaid}/pay/", "POST"),
        ("OPTIONS", "/checkout/{unpaid}/pay/", "POST"),
        ("POST", "/checkout/{unpaid}/", "GET, HEAD"),
        ("DELETE", "/checkout/{unpaid}/", "GET, HEAD"),
        ("OPTIONS", "/checkout/{unpaid}/", "GET, HEAD"),
        ("POST", "/checkout/{unpaid}/status.json", "GET, HEAD"),
        ("PATCH", "/checkout/{challenged}/result/", "GET, HEAD"),
        ("DELETE", "{return_path}", "GET, POST"),
        ("OPTIONS", "{return_path}", "GET, POST"),
        ("GET", "/notifications/sandbox/", "POST"),
        ("OPTIONS", "/notifications/sandbox/", "POST"),
        ("PROPFIND", "/checkout/{unpaid}/", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_which_are_right(quiet, accept, method, path, allow):
    answer = assert_refused(quiet, accept, 405, method, path, headers=[CSRF_COOKIE, ("X-CSRFToken", CSRF)])
    assert answer.headers["allow"] == allow


def test_an_address_or_headers_that_are_too_large_are_refused_by_the_server(quiet, accept):
    """The answer is a problem document for every client, since the Accept header was not read."""
    with quiet.unchanged() as wire:
        for path in (f"/checkout/{60_000 * '0'}/", f"/orders/{10_000 * 'x'}/"):
            wire.request("GET", path, headers=[accept]).assert_clear(414, as_json=True)
        wire.request("GET", "/", headers=[accept, ("X", 70_000 * "x")]).assert_clear(431, as_json=True)
        answer = wire.request("GET", "/", headers=[accept, *[("X", "y")] * 100])
        answer.assert_clear(431, as_json=True)
        assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["/checkout/{unpaid}/", "/checkout/{unpaid}/status.json", "/", "/livez"])
def test_head_is_answered_without_a_body(quiet, path):
    with quiet.unchanged() as wire:
        answer = wire.request("HEAD", path.format(unpaid=quiet.unpaid))
    assert answer.status in (200, 202)
    assert answer.body == b""


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (403, {"csrfmiddlewaretoken": ""}),
        (403, {"csrfmiddlewaretoken": "b" * 32}),
        (403, {"csrfmiddlewaretoken": "\0"}),
        (400, {"attempt_number": ""}),
        (400, {"attempt_number": "-1"}),
        (400, {"attempt_number": "9" * 5000}),
        (400, {"attempt_number": "\N{ARABIC-INDIC DIGIT ONE}x"}),
        (400, {"device_data_reference": "4111 1111-1111 1111"}),
        (400, {"unknown": "4111111111111111"}),
        (400, {f"field-{number}": "x" for number in range(1001)}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_form_that_no_page_of_ours_has_sent(quiet, accept, status, changes):
    body = urlencode(PAY_FORM | changes).encode()
    assert_refused(quiet, accept, status, "POST", "/checkout/{unpaid}/pay/", body=body, headers=AS_FORM)


@pytest.mark.parametrize("card", ["", "two words", "\0", "x" * 8193, "\N{SNOWMAN}", b"\xff"], ids=ascii)
def test_a_card_that_is_not_encrypted_is_asked_for_again(quiet, card):
    body = urlencode(PAY_FORM | {"encrypted_card": card}).encode()
    with quiet.unchanged() as wire:
        answer = wire.request("POST", f"/checkout/{quiet.unpaid}/pay/", body=body, headers=AS_FORM)
    answer.assert_clear(400, as_json=False)
    assert "did not arrive encrypted" in answer.text


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data; boundary=\xff", b"--x--"),
        ("application/x-www-form-urlencoded; charset=utf-16", urlencode(PAY_FORM).encode()),
    ],
)
def test_a_body_that_cannot_be_read(quiet, accept, content_type, body):
    headers = [("Content-Type", content_type), CSRF_COOKIE, ("X-CSRFToken", CSRF)]
    assert_refused(quiet, accept, 400, "POST", "/checkout/{unpaid}/pay/", body=body, headers=headers)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "nonsense", ""])
def test_a_form_in_another_format_holds_no_card(quiet, accept, content_type):
    headers = [("Content-Type", content_type), CSRF_COOKIE, ("X-CSRFToken", CSRF)]
    assert_refused(quiet, accept, 400, "POST", "/checkout/{unpaid}/pay/", body=b'{"a": 1}', headers=headers)


def test_a_payment_that_is_not_there_cannot_be_paid(quiet, accept):
    body = urlencode(PAY_FORM).encode()
    assert_refused(quiet, accept, 404, "POST", f"/checkout/{UNKNOWN}/pay/", body=body, headers=AS_FORM)


@pytest.mark.parametrize("path", ["/", "/checkout/{unpaid}/", "/admin/login/"])
def test_a_host_that_is_not_ours(quiet, accept, path):
    with quiet.unchanged() as wire:
        head = wire.head("GET", path.format(unpaid=quiet.unpaid), [accept]).replace(
            b"localhost", b"evil.example"
        )
        wire.send(head).assert_clear(400, as_json=accept[1] != "text/html")
