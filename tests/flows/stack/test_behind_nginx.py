"""Production settings behind the repository's nginx site, and the requests that it accepts and refuses."""

import json
import re
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from websockets.sync.client import connect

from scripts.services.process import free_port
from tests.flows.stack.production import SECRET, Visitors, in_production
from tests.flows.stack.shopping import CHALLENGE, rows
from tests.support.broker_users import url_of
from tests.support.certificates import self_signed
from tests.support.databases import database
from tests.support.nginx import Nginx
from tests.support.program import ROOT
from tests.support.vhosts import fresh_vhost
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.nginx,
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def production(tmp_path_factory, migrated_template):
    with (
        fresh_vhost() as broker_url,
        database(migrated_template) as database_url,
        in_production(
            tmp_path_factory.mktemp("production"), webs=2, broker_url=broker_url, database_url=database_url
        ) as production,
    ):
        yield production


@pytest.fixture
def ask(production):
    """Return a function that sends any request and verifies the server's certificate."""

    def ask(method, path, **options):
        url = f"{production.nginx.url}{path}"
        verify = str(production.nginx.certificate.certificate)
        return requests.request(method, url, verify=verify, allow_redirects=False, timeout=20, **options)

    return ask


@contextmanager
def tls(production):
    """Yield a TLS connection on which a test may send any bytes."""
    context = ssl.create_default_context(cafile=str(production.nginx.certificate.certificate))
    with (
        socket.create_connection(("127.0.0.1", production.nginx.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        yield secure


def status_of(connection):
    return int(connection.recv(4096).split()[1])


def test_the_settings_of_this_production_are_complete(production):
    check = ("check", "--deploy", "--database", "default", "--fail-level", "ERROR")
    said = production.stack.manage(*check, environment=production.web_environment)
    warnings = set(re.findall(r"checkout\.\w+", said))
    assert warnings <= {"checkout.W020"}, said


def test_a_challenged_shopper_pays_through_it_and_the_gateway_sees_the_real_address(production):
    [reference] = production.orders()
    shopper = production.shopper(reference, CHALLENGE, address="127.0.0.9")
    page = shopper.decide(shopper.pay(shopper.order()), "approve")
    assert "<h1>Payment complete</h1>" in page.text
    assert shopper.end("captured") == "captured"
    addresses = "SELECT browser->>'ip_address' FROM payments_attempt WHERE order_code LIKE %s"
    assert rows(production.stack, addresses, f"{reference}%") == [("127.0.0.9",)]
    cookies = [cookie for cookie in shopper.browser.cookies if cookie.name == "csrftoken"]
    assert all(cookie.secure for cookie in cookies)


def test_the_provider_notifies_through_it_and_the_log_keeps_no_secret(production):
    [reference] = production.orders()
    shopper = production.shopper(reference, CHALLENGE)
    shopper.decide(shopper.pay(shopper.order()), "approve")
    shopper.end("captured")
    query = "SELECT DISTINCT is_proven FROM payments_providernotification WHERE position(%s in body) > 0"
    wait_until(lambda: rows(production.stack, query, reference), "a notification")
    assert rows(production.stack, query, reference) == [(True,)]
    log = production.nginx.access_log
    assert "POST /notifications/sandbox/* 200" in log
    assert f"POST /checkout/{reference}/challenge/return/* " in log
    assert SECRET not in log
    assert not re.search(r"challenge/return/[\w-]", log)


def test_the_log_keeps_no_token_of_a_payment_link(production, ask):
    token = "aToken-OfALink_0123456789"
    assert ask("GET", f"/pay/{token}/").status_code == 404
    # nginx writes the line after the answer.
    wait_until(lambda: "GET /pay/* 404" in production.nginx.access_log, "the line of the request")
    assert token not in production.nginx.access_log


def test_the_log_keeps_no_token_of_a_customer_session(production, ask):
    token = "aTokenOfASession0123456:1vQ2aB:kq3v7mZk3v7mKx9TzWpL2aB8cDeF"
    payment = f"/checkout/pay_{32 * '0'}"
    assert ask("GET", f"{payment}/customer/{token}/").status_code == 404
    log = production.nginx.access_log
    assert f"GET {payment}/customer/* 404" in log
    assert token not in log


def test_try_purchase_finds_the_gateway_by_its_certificate(production):
    tried = subprocess.run(
        [sys.executable, "manage.py", "try_purchase", "--json", "--url", production.nginx.url],
        cwd=ROOT,
        env={
            **production.stack.environment,
            "BROKER_URL": url_of("web", production.stack.broker_url),
            "REQUESTS_CA_BUNDLE": str(production.nginx.certificate.certificate),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    hops = json.loads(tried.stdout)["hops"]
    assert hops, tried.stderr


def test_a_push_reaches_the_status_page_through_it(production):
    [reference] = production.orders()
    shopper = production.shopper(reference, CHALLENGE)
    challenge = shopper.pay(shopper.order())
    context = ssl.create_default_context(cafile=str(production.nginx.certificate.certificate))
    with connect(production.pushes_of(reference), origin=production.nginx.url, ssl=context) as pushes:
        assert json.loads(pushes.recv(20))["state"] == "challenge_required"
        shopper.decide(challenge, "approve")
        states: list[str] = []
        while not states or states[-1] != "captured":
            states.append(json.loads(pushes.recv(20))["state"])
    assert states[-1] == "captured"


@pytest.mark.parametrize("fields", [5, 80])
def test_a_head_of_more_than_64_kilobytes_is_refused(production, fields):
    size = 66_000 // fields
    lines = [f"X-{number}: {'x' * size}" for number in range(fields)]
    with tls(production) as connection:
        head = "\r\n".join(["GET / HTTP/1.1", "Host: localhost", *lines, "", ""])
        connection.sendall(head.encode())
        assert status_of(connection) == 431


def test_a_body_over_the_limit_is_refused_before_it_is_read(production):
    with tls(production) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 262145\r\n\r\n")
        assert status_of(connection) == 413


def test_a_chunked_body_over_the_limit_is_refused(ask):
    assert ask("POST", "/notifications/sandbox/", data=(b"x" * 10_000 for _ in range(30))).status_code == 413


def test_a_body_of_the_gateways_limit_reaches_it(ask):
    refused = ask("POST", "/notifications/sandbox/", data=b"x" * 262_144)
    assert refused.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_another_host_name_is_told_nothing(production):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", production.nginx.port), timeout=20) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="evil.example")


def test_plain_http_is_led_to_tls(production):
    url = f"http://localhost:{production.nginx.plain_port}/checkout/?a=1"
    answer = requests.get(url, allow_redirects=False, timeout=20)
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{production.nginx.url}/checkout/?a=1"


def test_probes_of_the_machine_are_not_for_the_internet(ask):
    assert ask("GET", "/readyz").status_code == 404


def test_without_a_web_process_nobody_is_told_that_a_payment_failed(tmp_path):
    nobody = f"127.0.0.1:{free_port()}"
    nginx = Nginx(tmp_path / "nginx", self_signed(tmp_path), webs=[nobody], sandbox=f"http://{nobody}")
    nginx.start()
    try:
        verify = str(nginx.certificate.certificate)
        away = requests.post(f"{nginx.url}/checkout/pay_{'0' * 32}/pay/", verify=verify, timeout=20)
    finally:
        nginx.stop()
    assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
    assert "your payment may have gone through" in away.text
    assert "fail" not in away.text
    assert away.headers["Cache-Control"] == "no-store"


@pytest.mark.long
def test_web_processes_are_restarted_one_after_the_other_while_shoppers_pay(production):
    stack = production.stack
    with Visitors(stack, production=production, references=production.orders(60)) as crowd:
        crowd.until_more_have_paid(2)
        for web in (stack.programs["web"], stack.programs["web-2"]):
            web.terminate()
            crowd.until_more_have_paid(2)
            web.start()
            production.wait_until_ready(web.name)
        crowd.until_more_have_paid(2)
    assert crowd.failures == []
    assert max(crowd.answers) < 400, crowd.answers


def test_one_address_has_a_hundred_requests_at_once_and_others_do_not_notice(production, ask):
    head = b"POST /notifications/sandbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    connections = []
    try:
        for _ in range(100):
            opened = tls(production)
            connections.append(opened)
            opened.__enter__().sendall(head)
        wait_until(lambda: ask("GET", "/livez").status_code == 429, "the address to be full")
        other = production.shopper(production.orders()[0], address="127.0.0.77")
        assert other.order().status == 200
    finally:
        for opened in connections:
            opened.__exit__(None, None, None)
