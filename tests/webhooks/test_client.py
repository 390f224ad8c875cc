"""One request to an endpoint: all kinds of answers and failures are told apart."""

import asyncio
import socket
import ssl
import threading

import pytest

from checkout.webhooks.sending.client import MAX_RESPONSE_BYTES, Client
from checkout.webhooks.sending.connections import checked_socket
from checkout.webhooks.sending.resolver import AddressRefused, CheckedResolver
from tests.support.certificates import self_signed
from tests.webhooks import endpoint as behaviours
from tests.webhooks.endpoint import answer, serving

NAME = "shop.example"


class Names:
    """A twin of the system's resolver. Each look-up of a name gets its next answer."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return self.answers[host].pop(0) if len(self.answers[host]) > 1 else self.answers[host][0]


async def post(url, body=b"{}", *, look_up=None, seconds=5.0, **options):
    client = Client(look_up=look_up or Names(), seconds=seconds, **options)
    try:
        return await client.post(url, {"webhook-id": "evt_1"}, body)
    finally:
        await client.close()


async def test_a_webhook_arrives_as_it_was_sent():
    async with serving() as endpoint:
        answered = await post(endpoint.url("/hook?a=%20b"), b'{"a": 1}')
        assert answered.is_success
        assert (answered.status, answered.response, answered.error) == (200, b"ok", "")
    (received,) = endpoint.received
    assert received.path == "/hook?a=%20b"
    assert received.body == b'{"a": 1}'
    assert received.headers["webhook-id"] == "evt_1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"] == "payments-gateway-webhooks/1"
    assert received.headers["host"] == f"127.0.0.1:{endpoint.port}"


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 502, 503])
async def test_a_status_other_than_2xx_is_a_failure(status):
    async with serving() as endpoint:
        endpoint.behaviour["/"] = answer(status, b"no")
        answered = await post(endpoint.url())
    assert (answered.status, answered.is_success, answered.summary) == (status, False, f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status):
    async with serving() as endpoint:
        endpoint.behaviour["/"] = answer(status, Location="/elsewhere")
        answered = await post(endpoint.url())
    assert (answered.status, answered.is_success) == (status, False)
    assert [received.path for received in endpoint.received] == ["/"]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("hang", "timed_out"),
        ("drip", "timed_out"),
        ("close_half_way", "broken_off"),
        ("close_at_once", "broken_off"),
        ("talk_nonsense", "broken_off"),
        ("promise", "broken_off"),
        ("mumble", "broken_off"),
    ],
)
async def test_an_endpoint_that_does_not_answer_completely_has_not_confirmed(behaviour, error):
    async with serving() as endpoint:
        endpoint.behaviour["/"] = getattr(behaviours, behaviour)
        answered = await post(endpoint.url(), seconds=0.3 if error == "timed_out" else 5)
    assert (answered.error, answered.is_success) == (error, False)
    assert len(endpoint.received) == 1


async def test_an_endless_response_is_read_to_a_limit_only():
    async with serving() as endpoint:
        endpoint.behaviour["/"] = behaviours.flood
        answered = await post(endpoint.url())
    assert answered.is_success
    assert len(answered.response) < MAX_RESPONSE_BYTES


async def test_interim_responses_may_come_before_the_answer_and_the_connection_is_used_again():
    async def take_time(exchange):
        await exchange.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 10 + behaviours.OK)

    async with serving() as endpoint:
        endpoint.behaviour["/"] = take_time
        client = Client()
        answers = [await client.post(endpoint.url(), {}, b"{}") for _ in range(3)]
        await client.close()
    assert [(each.status, each.response) for each in answers] == [(200, b"ok")] * 3
    assert endpoint.connections == 1


async def test_an_answer_that_is_not_http_is_not_said_to_have_a_status():
    async with serving() as endpoint:
        endpoint.behaviour["/"] = behaviours.talk_nonsense
        answered = await post(endpoint.url())
    assert answered.detail.startswith("Bad status line")


async def test_a_packed_response_is_not_unpacked():
    async with serving() as endpoint:
        endpoint.behaviour["/"] = answer(200, b"\x1f\x8bpacked", Content_Encoding="gzip")
        answered = await post(endpoint.url())
    assert answered.response == b"\x1f\x8bpacked"
    assert endpoint.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("text", "seconds"), [("120", 120.0), ("0", 0.0), ("soon", None), ("-5", None), ("9" * 30, 999999999.0)]
)
async def test_a_pause_in_seconds_is_read(text, seconds):
    async with serving() as endpoint:
        endpoint.behaviour["/"] = answer(429, Retry_After=text)
        answered = await post(endpoint.url())
    assert answered.retry_after == seconds


@pytest.mark.parametrize(
    ("date", "is_later"), [("Wed, 21 Oct 2099 07:28:00 GMT", True), ("Wed, 21 Oct 2015 07:28:00 GMT", False)]
)
async def test_a_pause_until_a_date_is_read(date, is_later):
    async with serving() as endpoint:
        endpoint.behaviour["/"] = answer(503, Retry_After=date)
        answered = await post(endpoint.url())
    assert (answered.retry_after > 0) is is_later


async def test_a_refused_connection_is_told_apart():
    async with serving() as endpoint:
        url = endpoint.url()
    assert (await post(url)).error == "not_connected"


async def test_an_unknown_name_is_told_apart():
    assert (await post("http://nowhere.example/")).error == "no_such_host"


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["::ffff:10.0.0.1"]],
)
async def test_a_name_with_a_private_address_is_not_connected_to(addresses):
    answered = await post(f"https://{NAME}/", look_up=Names(shop_example=[addresses]))
    assert answered.error == "address_refused"
    assert "not on the public internet" in answered.detail
    # The merchant reads it, and must not learn from it the answers of our own name servers.
    assert addresses[-1] not in answered.detail


async def test_a_name_is_refused_as_a_whole_if_one_of_its_addresses_is_private():
    resolver = CheckedResolver(Names(shop_example=[["8.8.8.8", "10.0.0.1"], ["8.8.8.8"]]), "https")
    with pytest.raises(AddressRefused, match="not on the public internet"):
        await resolver.resolve(NAME, 443)
    (found,) = await resolver.resolve(NAME, 443)
    assert (found["host"], found["port"]) == ("8.8.8.8", 443)
    with pytest.raises(AddressRefused, match="port 25"):
        await resolver.resolve(NAME, 25)


@pytest.mark.parametrize(
    ("family", "target"),
    [
        (socket.AF_INET, ("10.0.0.1", 443)),
        (socket.AF_INET, ("8.8.8.8", 25)),
        (socket.AF_INET6, ("::ffff:10.0.0.1", 443, 0, 0)),
    ],
)
def test_no_socket_is_made_for_an_address_that_was_not_to_be_reached(family, target):
    """The check of the socket is the last one, whatever the resolver and the HTTP library did before."""
    with pytest.raises(AddressRefused):
        checked_socket("https", (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", target))


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "https://[::ffff:10.0.0.1]/", "https://2130706433/"])
async def test_an_address_without_a_name_is_checked_as_well(url):
    names = Names()
    assert (await post(url, look_up=names)).error == "address_refused"
    assert names.asked == []


async def test_a_name_that_changes_its_address_after_the_check_is_not_reached_there(settings):
    """A second look-up, for the connection, would lead to the private address. There is none."""
    settings.CHECKOUT_WEBHOOK_ALLOWED_NETWORKS = []
    async with serving() as endpoint:
        names = Names(shop_example=[["127.0.0.1"], ["10.0.0.1"]])
        assert (await post(endpoint.url(host=NAME), look_up=names)).is_success
        assert names.asked == [NAME]
        assert (await post(endpoint.url(host=NAME), look_up=names)).error == "address_refused"
    assert len(endpoint.received) == 1


async def test_outside_of_a_try_out_loopback_is_refused_at_the_connection(settings):
    async with serving() as endpoint:
        settings.CHECKOUT_TRY_OUT = False
        settings.CHECKOUT_WEBHOOK_ALLOWED_NETWORKS = ["10.0.0.0/8"]
        answered = await post(endpoint.url(host=NAME), look_up=Names(shop_example=[["127.0.0.1"]]))
    assert answered.error == "address_refused"
    assert endpoint.connections == 0


async def test_no_proxy_is_taken_from_the_environment(monkeypatch):
    async with serving() as endpoint, serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert (await post(endpoint.url())).is_success
    assert proxy.connections == 0


async def test_the_certificate_is_checked(tmp_path):
    made = self_signed(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(made.certificate, made.key)
    trusting = ssl.create_default_context(cafile=str(made.certificate))
    names = Names(localhost=[["127.0.0.1"]], shop_example=[["127.0.0.1"]])
    async with serving(server) as endpoint:
        assert (await post(endpoint.url(host="localhost"), look_up=names)).error == "tls_failed"
        named = {"look_up": names, "authorities": trusting}
        assert (await post(endpoint.url(host="localhost"), **named)).is_success
        assert (await post(endpoint.url(host=NAME), **named)).error == "tls_failed"
    assert len(endpoint.received) == 1


async def test_look_ups_of_one_name_share_a_thread(monkeypatch):
    asked, going_on = [], threading.Event()
    loop, has_begun = asyncio.get_running_loop(), asyncio.Event()

    def slow(host, *_args, **_options):
        asked.append(host)
        loop.call_soon_threadsafe(has_begun.set)
        going_on.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async with serving() as endpoint:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        client = Client(seconds=20)
        tasks = [asyncio.ensure_future(client.post(endpoint.url(host=NAME), {}, b"{}")) for _ in range(20)]
        await has_begun.wait()
        going_on.set()
        answers = await asyncio.gather(*tasks)
        await client.close()
    assert all(each.is_success for each in answers)
    assert asked == [NAME]
