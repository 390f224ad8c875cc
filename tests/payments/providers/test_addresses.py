"""Addresses of providers lead only to the hosts that the settings allow."""

import socket

import pytest
from hypothesis import given, strategies as st

from checkout.errors import ProviderMisconfigured
from checkout.payments.providers.addresses import address_error, peer_error, policy_source
from checkout.payments.providers.base import Account, Challenge, Verb
from checkout.payments.providers.registry import get_provider
from checkout.payments.providers.transport import HttpRequest, HttpTransport
from tests.payments.providers.scripted_server import ScriptedServer, answer

LISTED = "secure.worldpay.com"


@pytest.fixture(autouse=True)
def _production(settings):
    settings.CHECKOUT_TRY_OUT = False
    settings.CHECKOUT_PROVIDER_HOSTS = [LISTED, "staging.example:8443"]
    settings.CHECKOUT_PROVIDER_NETWORKS = []


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://secure.worldpay.com/jsp/paymentService.jsp", "https://secure.worldpay.com"),
        ("https://secure.worldpay.com", "https://secure.worldpay.com"),
        ("https://secure.worldpay.com:443/?a=1&b=%20", "https://secure.worldpay.com"),
        ("HTTPS://Secure.WorldPay.com/", "https://secure.worldpay.com"),
        ("https://staging.example:8443/ddc.html", "https://staging.example:8443"),
    ],
)
def test_a_listed_host_over_https_is_allowed(url, source):
    assert address_error(url) == ""
    assert policy_source(url) == source


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "/relative",
        "//secure.worldpay.com/",
        "javascript:alert(1)",
        "data:text/javascript,alert(1)",
        "ftp://secure.worldpay.com/",
        "http://secure.worldpay.com/",
        "https://evil.example/",
        "https://evil.secure.worldpay.com/",
        "https://secure.worldpay.com.evil.example/",
        "https://secure.worldpay.com./",
        "https://secure.worldpay.com../",
        "https://secure.worldpay.com:8443/",
        "https://secure.worldpay.com:0/",
        "https://secure.worldpay.com:99999/",
        "https://secure.worldpay.com:/",
        "https://staging.example/",
        "https://user@secure.worldpay.com/",
        "https://secure.worldpay.com@evil.example/",
        "https://secure.worldpay.com:443@evil.example/",
        "https://evil.example\\@secure.worldpay.com/",
        "https://evil.example#@secure.worldpay.com/",
        "https:\\\\secure.worldpay.com/",
        "https:///secure.worldpay.com/",
        "https://secure.worldpay.com/\n",
        "https://secure.worldpay.com\n; script-src *",
        "https://secure.worldpay.com/;script-src *",
        "https://secure.worldpay.com; script-src *",
        "https://secure.worldpay.com *",
        "https://secure.worldpay.com,https://evil.example",
        "https://secure.worldpay.com/\r\nX-Header: y",
        "https://secure.worldpay.com/'\"><script>",
        " https://secure.worldpay.com/",
        "https://\u0455ecure.worldpay.com/",
        "https://xn--ecure-jze.worldpay.com/",
        "https://secure\u3002worldpay\u3002com/",
        "https://secure%2eworldpay.com/",
        "https://secure.worldpay.com\t/",
        "https://*.worldpay.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://localhost/",
        "https://127.0.0.1:8001/",
        f"https://secure.worldpay.com/{'a' * 500}",
        None,
        5,
        ["https://secure.worldpay.com/"],
    ],
)
def test_any_other_address_is_refused_and_reaches_no_policy(url):
    assert address_error(url)
    if isinstance(url, str):
        with pytest.raises(ProviderMisconfigured):
            policy_source(url)


@given(st.text(max_size=80))
def test_what_is_taken_for_a_policy_is_one_source_and_nothing_else(text):
    for url in (text, f"https://{text}", f"https://{LISTED}{text}", f"https://{LISTED}/{text}"):
        if address_error(url) == "":
            assert policy_source(url) == f"https://{LISTED}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001/pay", "http://sandbox.example:8001/pay"])
def test_the_sandbox_is_a_provider_of_a_try_out_only(settings, url):
    settings.SANDBOX_URL = "http://sandbox.example:8001"
    assert address_error(url)
    settings.CHECKOUT_TRY_OUT = True
    assert address_error(url) == ""
    assert address_error("http://sandbox.example:8002/pay")
    assert address_error("http://secure.worldpay.com/")


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_not_talked_to(settings, address):
    assert peer_error(address)
    settings.CHECKOUT_PROVIDER_NETWORKS = ["192.0.2.0/24"]
    assert peer_error(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_talked_to(address):
    assert peer_error(address) == ""


def test_a_private_network_may_be_named(settings):
    settings.CHECKOUT_PROVIDER_NETWORKS = ["10.1.0.0/16", "fd00::/8"]
    assert peer_error("10.1.2.3") == ""
    assert peer_error("::ffff:10.1.2.3") == ""
    assert peer_error("fd00::1") == ""
    assert peer_error("10.2.0.1")


@pytest.fixture
def transport():
    transport = HttpTransport(connect_seconds=2)
    yield transport
    transport.close()


def send(transport, url):
    return transport.send(Verb.AUTHORISE, HttpRequest(url, b"<message/>", {}, ("user", "swordfish")))


def test_nothing_is_sent_to_a_listed_name_that_leads_into_a_private_network(transport, settings, monkeypatch):
    with ScriptedServer(answer(b"<reply/>")) as server:
        settings.CHECKOUT_PROVIDER_HOSTS = [f"provider.example:{server.port}"]

        def rebound(_host, port, *_args, **_options):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        with pytest.raises(ProviderMisconfigured, match=r"127\.0\.0\.1 is not an address of the public"):
            send(transport, f"https://provider.example:{server.port}/")
    assert server.requests == []


def test_nothing_is_sent_to_a_host_that_is_not_listed(transport):
    with ScriptedServer(answer(b"<reply/>")) as server, pytest.raises(ProviderMisconfigured, match="https"):
        send(transport, server.url)
    assert server.connections == 0


def worldpay(**options):
    values = {
        "device_data_url": "https://secure.worldpay.com/ddc.html",
        "challenge_url": "https://secure.worldpay.com/challenge.html",
        "encryption_script_url": "https://secure.worldpay.com/cse.js",
    }
    secrets = {"mac_key": "k" * 40, "issuer": "issuer", "organisational_unit": "unit"}
    return get_provider(
        Account(
            code="acme",
            provider="worldpay_wpg",
            merchant_code="ACME",
            endpoint="https://secure.worldpay.com/",
            credentials=secrets,
            options=values | options,
        )
    )


def test_a_row_written_past_the_form_gets_no_script_and_no_form_into_a_page():
    evil = "https://evil.example/"
    with pytest.raises(ProviderMisconfigured, match=r"encryption_script_url has the host evil\.example"):
        worldpay(encryption_script_url=evil).card_encryption()
    with pytest.raises(ProviderMisconfigured, match=r"device_data_url has the host evil\.example"):
        worldpay(device_data_url=evil).device_data_form()
    challenge = Challenge(version="2", transaction_id="1", acs_url="https://acs.example/", payload="p")
    with pytest.raises(ProviderMisconfigured, match=r"challenge_url has the host evil\.example"):
        worldpay(challenge_url=evil).challenge_form(challenge, return_url="https://a/", merchant_data="")


def test_a_script_may_be_bound_to_its_digest():
    digests = f"sha384-{'a' * 64} sha512-{'b' * 86}=="
    assert worldpay(encryption_script_integrity=digests).card_encryption().integrity == digests
    assert worldpay().card_encryption().integrity == ""


@pytest.mark.parametrize(
    "digests", ["md5-abc", "sha384-short", f"sha384-{'a' * 64}\n", f'sha384-{"a" * 64}" onload="x', 5]
)
def test_what_is_no_digest_is_refused(digests):
    with pytest.raises(ProviderMisconfigured, match="encryption_script_integrity"):
        worldpay(encryption_script_integrity=digests).card_encryption()
