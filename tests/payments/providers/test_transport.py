"""The outcomes of provider calls on real sockets: known, or unknown."""

import socket
import ssl
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import ClassVar

import pytest
import structlog

from checkout.errors import OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid, ProviderUnavailable
from checkout.payments.providers.base import Verb
from checkout.payments.providers.transport import HttpRequest, HttpTransport
from tests.payments.providers.scripted_server import ScriptedServer, answer, drip, reset, say_nothing
from tests.support.certificates import self_signed


@pytest.fixture
def transport():
    patience = dict.fromkeys(Verb, 5.0) | {Verb.CAPTURE: 0.3}
    transport = HttpTransport(connect_seconds=0.5, read_seconds=patience)
    yield transport
    transport.close()


def request(url, headers=None, credentials=("user", "pass:wörd")):
    return HttpRequest(url, b"<message/>", {"Content-Type": "text/xml", **(headers or {})}, credentials)


def test_a_message_goes_out_once_and_exactly_as_it_was_written(transport):
    with ScriptedServer(answer(b"<reply/>")) as server:
        cookie = {"Cookie": "machine=0ab20014"}
        reply = transport.send(Verb.AUTHORISE, request(server.url, cookie))
    assert (reply.status, reply.body) == (200, b"<reply/>")
    [received] = server.requests
    assert received.head.startswith("POST /pay HTTP/1.1")
    assert received.body == b"<message/>"
    assert received.header("Content-Type") == ["text/xml"]
    assert received.header("Cookie") == ["machine=0ab20014"]
    assert received.header("Authorization") == ["Basic dXNlcjpwYXNzOnfDtnJk"]


def test_a_provider_may_be_asked_by_get_with_a_key_of_its_own(transport):
    with ScriptedServer(answer(b"{}")) as server:
        key = {"Authorization": "Bearer sk_test_1"}
        asked = HttpRequest(f"{server.url}?order=1", b"", key, method="GET")
        assert transport.send(Verb.INQUIRE, asked).body == b"{}"
    [received] = server.requests
    assert received.head.startswith("GET /pay?order=1 HTTP/1.1")
    assert received.header("Authorization") == ["Bearer sk_test_1"]


def test_an_answer_in_chunks_is_read_whole(transport):
    chunks = b"3\r\n<re\r\n5\r\nply/>\r\n0\r\n\r\n"
    with ScriptedServer(answer(chunks, 200, "Transfer-Encoding: chunked")) as server:
        assert transport.send(Verb.AUTHORISE, request(server.url)).body == b"<reply/>"


def test_cookies_are_handed_over_and_never_kept(transport):
    cookies = ("Set-Cookie: machine=1;path=/", "Set-Cookie: other=2", "Set-Cookie: machine=3;path=/")
    with ScriptedServer(answer(b"x", 200, *cookies)) as server:
        reply = transport.send(Verb.AUTHORISE, request(server.url))
        transport.send(Verb.AUTHORISE, request(server.url))
    assert reply.set_cookies == ("machine=1;path=/", "other=2", "machine=3;path=/")
    assert server.requests[1].header("Cookie") == []


class KeptConnections(BaseHTTPRequestHandler):
    """A handler that keeps connections open, with the ports from which requests came."""

    protocol_version = "HTTP/1.1"
    ports: ClassVar[list[int]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.ports.append(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.mark.parametrize(("most_idle_seconds", "connections"), [(3600.0, 1), (0.0, 2)])
def test_a_connection_is_used_again_unless_the_server_may_be_closing_it(
    transport, monkeypatch, most_idle_seconds, connections
):
    monkeypatch.setattr("checkout.payments.providers.transport.MOST_IDLE_SECONDS", most_idle_seconds)
    KeptConnections.ports.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), KeptConnections) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        for _ in range(2):
            transport.send(Verb.AUTHORISE, request(f"http://127.0.0.1:{server.server_address[1]}/"))
        transport.close()
        server.shutdown()
    assert len(KeptConnections.ports) == 2
    assert len(set(KeptConnections.ports)) == connections


def test_a_redirect_is_not_followed(transport):
    with ScriptedServer(answer(b"", 302, "Location: /elsewhere")) as server:
        reply = transport.send(Verb.AUTHORISE, request(server.url))
    assert reply.status == 302
    assert len(server.requests) == 1


def test_a_refused_connection_was_certainly_not_sent(transport):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ProviderUnavailable):
        transport.send(Verb.AUTHORISE, request(f"http://127.0.0.1:{port}/"))


def test_a_host_without_an_address_was_certainly_not_sent_to(transport, monkeypatch):
    def not_found(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    with pytest.raises(ProviderUnavailable):
        transport.send(Verb.AUTHORISE, request("https://provider.example/"))


def test_a_connection_not_made_in_time_was_certainly_not_sent(transport):
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # The listener accepts nothing. Once its queue is full, the kernel does not answer new connections.
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(ProviderUnavailable):
            transport.send(Verb.AUTHORISE, request(f"http://127.0.0.1:{listener.getsockname()[1]}/"))


@pytest.mark.parametrize(
    "behaviour",
    [
        reset,
        answer(b"<reply>", length=500),
        answer(b"5\r\n<repl\r\n5\r\n", 200, "Transfer-Encoding: chunked"),
        answer(b"Bad gateway", 502),
        answer(b"", 500),
        answer(b"", 503),
    ],
    ids=["reset", "cut", "cut chunk", "502", "500", "503"],
)
def test_a_broken_answer_leaves_the_outcome_unknown_and_nothing_is_repeated(transport, behaviour):
    with ScriptedServer(behaviour) as server, pytest.raises(OutcomeUnknown):
        transport.send(Verb.AUTHORISE, request(server.url))
    assert len(server.requests) == 1


@pytest.mark.parametrize("behaviour", [say_nothing, drip])
def test_patience_ends_at_the_verbs_time_out(transport, behaviour):
    with ScriptedServer(behaviour) as server, pytest.raises(OutcomeUnknown):
        transport.send(Verb.CAPTURE, request(server.url))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_the_operators_business(transport, status):
    with (
        ScriptedServer(answer(b"<html>Authorization required</html>", status)) as server,
        pytest.raises(ProviderMisconfigured),
    ):
        transport.send(Verb.AUTHORISE, request(server.url))


def test_an_answer_without_end_is_not_read_to_its_end(transport):
    with ScriptedServer(answer(b"x" * 70_000)) as server, pytest.raises(ProviderReplyInvalid):
        transport.send(Verb.AUTHORISE, request(server.url))


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1/", "http://", "http://[half/"])
def test_an_impossible_address_is_the_operators_business(transport, url):
    with pytest.raises(ProviderMisconfigured):
        transport.send(Verb.AUTHORISE, request(url))


def test_a_header_that_would_start_another_is_not_sent(transport):
    with ScriptedServer() as server, pytest.raises(ProviderMisconfigured):
        transport.send(Verb.AUTHORISE, request(server.url, {"Cookie": "machine=1\r\nX: y"}))
    assert server.requests == []


@pytest.mark.parametrize("key", ["Bearer hush\n", " Bearer hush", "Bearer hush\r\nX: y", "Bearer hush\u2026"])
def test_a_key_that_no_header_can_have_is_neither_sent_nor_shown(transport, key):
    with ScriptedServer(answer(b"{}")) as server:
        asked = HttpRequest(server.url, b"", {"Authorization": key}, method="GET")
        with pytest.raises(ProviderMisconfigured, match="Authorization") as refusal:
            transport.send(Verb.INQUIRE, asked)
    assert server.requests == []
    assert not any("hush" in str(each) for each in (refusal.value, refusal.value.__context__))


def test_a_header_with_an_impossible_name_is_not_shown_either(transport):
    with ScriptedServer() as server, pytest.raises(ProviderMisconfigured) as refusal:
        transport.send(Verb.INQUIRE, request(server.url, {"X-Key: hush": "x"}))
    assert "hush" not in str(refusal.value)
    assert refusal.value.__suppress_context__


def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(transport, tmp_path):
    with (
        ScriptedServer(answer(b"<reply/>"), tls=_presenting(self_signed(tmp_path))) as server,
        pytest.raises(ProviderMisconfigured, match="certificate"),
    ):
        transport.send(Verb.AUTHORISE, request(server.url))
    assert server.connections == 1
    assert server.requests == []


def test_a_certificate_of_a_named_authority_is_trusted(tmp_path):
    certificate = self_signed(tmp_path)
    transport = HttpTransport(ca_file=str(certificate.certificate))
    with ScriptedServer(answer(b"<reply/>"), tls=_presenting(certificate)) as server:
        assert transport.send(Verb.AUTHORISE, request(server.url)).body == b"<reply/>"
    transport.close()


def test_a_secret_shows_in_no_representation():
    shown = repr(request("http://127.0.0.1/", {"Cookie": "machine=1"}))
    assert "wörd" not in shown
    assert "machine" not in shown


def _presenting(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def test_a_provider_that_is_away_is_one_error_in_the_log_and_its_return_is_told(transport, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("messaging.logs.outage.time", SimpleNamespace(monotonic=lambda: now))
    answers = [answer(b"", 503), answer(b"", 503), answer(b"<a/>"), answer(b"<a/>")]
    with structlog.testing.capture_logs() as lines, ScriptedServer(*answers) as server:
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                transport.send(Verb.INQUIRE, request(server.url))
        now = 1033.0
        transport.send(Verb.INQUIRE, request(server.url))
        transport.send(Verb.INQUIRE, request(server.url))
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "provider not reachable"),
        ("warning", "provider reachable again after 33 s"),
    ]
    assert lines[0]["reason"] == "The provider answered with HTTP 503."
    assert "pass" not in str(lines)
