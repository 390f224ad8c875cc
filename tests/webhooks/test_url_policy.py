"""Webhooks go to the public internet, and to networks that the environment lists."""

import pytest

from checkout.webhooks.url_policy import peer_error, url_error

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001:0:808:808::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.fixture(autouse=True)
def _production(settings):
    settings.CHECKOUT_TRY_OUT = False
    settings.CHECKOUT_WEBHOOK_ALLOWED_NETWORKS = []


@pytest.mark.parametrize("address", PRIVATE)
def test_no_connection_is_made_to_an_address_that_is_not_public(address):
    assert peer_error(address, 443, "https")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_reached_at_the_ports_of_https(address):
    assert peer_error(address, 443, "https") == ""
    assert peer_error(address, 8443, "https") == ""
    assert peer_error(address, 25, "https")
    assert peer_error(address, 80, "http")
    assert peer_error(address, 443, "http")


def test_a_listed_network_may_be_private_and_without_tls(settings):
    settings.CHECKOUT_WEBHOOK_ALLOWED_NETWORKS = ["10.1.0.0/16", "fd00::/8"]
    assert peer_error("10.1.2.3", 9000, "http") == ""
    assert peer_error("::ffff:10.1.2.3", 9000, "http") == ""
    assert peer_error("fd00::1", 9000, "https") == ""
    assert peer_error("10.2.0.1", 443, "https")
    assert peer_error("8.8.8.8", 80, "http")


def test_loopback_is_for_a_try_out(settings):
    assert url_error("http://127.0.0.1:9000/hook")
    assert peer_error("::1", 9000, "http")
    settings.CHECKOUT_TRY_OUT = True
    assert url_error("http://127.0.0.1:9000/hook") == ""
    assert url_error("http://localhost:9000/hook") == ""
    assert peer_error("::1", 9000, "http") == ""
    assert peer_error("10.0.0.1", 443, "https")


@pytest.mark.parametrize("url", ["http://shop.example/", "https://shop.example:9000/", "http://8.8.8.8/"])
def test_a_try_out_sends_to_the_internet_as_any_other(settings, url):
    settings.CHECKOUT_TRY_OUT = True
    assert url_error(url, is_new=True)


@pytest.mark.parametrize("host", ["localhost", "shop.localhost", "shop.test"])
def test_a_developers_own_host_may_be_without_tls_in_a_try_out(settings, host):
    assert url_error(f"http://{host}:9000/hook", is_new=True)
    settings.CHECKOUT_TRY_OUT = True
    assert url_error(f"http://{host}:9000/hook", is_new=True) == ""


def test_any_name_may_lead_into_a_listed_network(settings):
    settings.CHECKOUT_WEBHOOK_ALLOWED_NETWORKS = ["10.1.0.0/16"]
    assert url_error("http://hooks.shop.example:9000/", is_new=True) == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/webhooks?shop=1&b=%20",
        "https://shop.example",
        "https://shop.example:8443/",
        "HTTPS://Shop.Example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
    ],
)
def test_an_https_address_of_the_internet_is_accepted(url):
    assert url_error(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "shop.example",
        "//shop.example/",
        "ftp://shop.example/",
        "http://shop.example/",
        "https://shop.example:80/",
        "https://shop.example:22/",
        "https://shop.example:99999/",
        "https://user:password@shop.example/",
        "https://user@shop.example/",
        "https://shop.example/#part",
        "https://shop.example\\@evil.example/",
        "https://shop.example /",
        "https://shöp.example/",
        "https://shop.example/\r\nX-Header: 1",
        "https:///path",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::1]/",
        "https://[nonsense]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        f"https://shop.example/{'x' * 500}",
    ],
)
def test_any_other_address_is_refused_with_a_reason(url):
    assert url_error(url)
