"""Malformed HTTP: contradictory sizes, incomplete bodies, and random bytes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.flows.stack.wire import FORM, read

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

TOO_MUCH = 300_000
CHUNKED = ("Transfer-Encoding", "chunked")
ACCEPTS = [pytest.param("text/html", id="page"), pytest.param("application/json", id="document")]


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize(
    "path", ["/", "/checkout/{unpaid}/pay/", "/checkout/nothing/", "/notifications/sandbox/"]
)
def test_a_body_that_is_declared_too_large_is_not_waited_for(quiet, accept, path):
    path = path.format(unpaid=quiet.unpaid)
    with quiet.unchanged() as wire:
        answer = wire.send(
            wire.head("POST", path, [("Accept", accept), FORM, ("Content-Length", str(TOO_MUCH))])
        )
    answer.assert_clear(413, as_json=accept != "text/html" or path.startswith("/notifications/"))
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_body_that_is_sent_too_large_is_not_read_to_its_end(quiet, accept):
    head = ("POST", f"/checkout/{quiet.unpaid}/pay/", [("Accept", accept), FORM, CHUNKED])
    chunk = f"{TOO_MUCH:x}\r\n{TOO_MUCH * 'x'}\r\n".encode()
    with quiet.unchanged() as wire:
        answer = wire.send(wire.head(*head) + chunk)
    answer.assert_clear(413, as_json=accept != "text/html")


def test_a_body_that_does_not_come_is_given_up_on(quiet):
    def begin(accept):
        headers = [("Accept", accept), FORM, ("Content-Length", "1000")]
        return wire.send(wire.head("POST", f"/checkout/{quiet.unpaid}/pay/", headers) + b"attempt_number=")

    with quiet.unchanged() as wire, ThreadPoolExecutor() as clients:
        page, document = clients.map(begin, ("text/html", "application/json"))
    page.assert_clear(408, as_json=False)
    document.assert_clear(408, as_json=True)


def test_a_client_that_leaves_in_the_middle_is_nobodys_fault(quiet):
    with quiet.unchanged() as wire, wire.opened() as connection:
        path = f"/checkout/{quiet.unpaid}/pay/"
        connection.sendall(wire.head("POST", path, [FORM, ("Content-Length", "1000")]) + b"attempt_number=")


POST, GET, HOST = b"POST {path} HTTP/1.1\r\n", b"GET {path} HTTP/1.1\r\n", b"Host: localhost\r\n"
LENGTH, CHUNKS = b"Content-Length: ", b"Transfer-Encoding: chunked\r\n"

NO_HTTP = {
    "two lengths": POST + HOST + LENGTH + b"3\r\n" + LENGTH + b"5\r\n\r\na=1&b",
    "length and chunks": POST + HOST + LENGTH + b"3\r\n" + CHUNKS + b"\r\n0\r\n\r\n",
    "a negative length": POST + HOST + LENGTH + b"-1\r\n\r\n",
    "a length in words": POST + HOST + LENGTH + b"ten\r\n\r\n",
    "an endless length": POST + HOST + LENGTH + 40 * b"9" + b"\r\n\r\n",
    "chunks of no size": POST + HOST + CHUNKS + b"\r\nnone\r\n\r\n",
    "NUL in the address": b"GET {path}\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in a header": GET + HOST + b"Accept: text\0html\r\n\r\n",
    "a line without a colon": GET + HOST + b"nonsense\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + 100 * b"\0" + b"\r\n\r\n",
    "no host": GET + b"Accept: */*\r\n\r\n",
    "another host in the address": b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "two hosts": GET + HOST + b"Host: evil.example\r\n\r\n",
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_request_is_400(quiet, data):
    path = f"/checkout/{quiet.unpaid}/pay/".encode()
    with quiet.unchanged() as wire:
        answer = wire.send(data.replace(b"{path}", path))
    assert answer.status == 400
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_second_request_behind_a_refused_one_is_not_answered(quiet):
    """The unread body of a refused request must not be parsed as the next request."""
    hidden = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with quiet.unchanged() as wire, wire.opened() as connection:
        length = ("Content-Length", str(TOO_MUCH))
        connection.sendall(wire.head("POST", f"/checkout/{quiet.unpaid}/pay/", [FORM, length]) + hidden)
        assert read(connection, "POST").status == 413
        assert connection.recv(1) == b""
