"""The nginx site counts the addresses of one household together, and those of two separately."""

from collections.abc import Iterator

import pytest
import requests

from scripts.services.process import free_port
from tests.support.certificates import self_signed
from tests.support.nginx import Nginx

pytestmark = pytest.mark.nginx

PASSED_ON, LIMITED = 503, 429  # a passed request gets 503, as no web process runs


@pytest.fixture(scope="module")
def nginx(tmp_path_factory) -> Iterator[Nginx]:
    """Yield the site with a limit of one request a minute per client. Tests choose the client's address."""
    folder = tmp_path_factory.mktemp("site")
    nobody = f"127.0.0.1:{free_port()}"
    nginx = Nginx(
        folder / "nginx",
        self_signed(folder),
        webs=[nobody],
        sandbox=f"http://{nobody}",
        replacements={
            r"rate=50r/s": "rate=1r/m",
            r"burst=200 nodelay": "",
            r"^( *)server_tokens off;": r"\1set_real_ip_from 127.0.0.1;\n\1real_ip_header X-Test-Address;",
        },
    )
    nginx.start()
    yield nginx
    nginx.stop()


def ask_from(nginx: Nginx, address: str) -> int:
    verify = str(nginx.certificate.certificate)
    headers = {"X-Test-Address": address}
    return requests.get(nginx.url, headers=headers, verify=verify, timeout=20).status_code


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2001:db8:0:10:1:2:3:4", "2001:db8:0:10:5:6:7:8"),
        ("2001:db8::1", "2001:db8::2"),
        ("2001:db8:11::5:6", "2001:db8:11:0:ffff:1:2:3"),
        ("2001:db8:0:12::", "2001:db8:0:12:ffff::"),
        ("2001:db8:13:1::a", "2001:db8:13:1:b:c:d:e"),
        ("::1", "::2:3"),
        ("64:ff9b::1", "64:ff9b::192.0.2.33"),
        ("2001:db8:14:a:0a00::", "2001:db8:14:a:0a0a:0a0a:0a0a:0a0a"),  # some bytes are line breaks
        ("192.0.2.40", "192.0.2.40"),
        ("192.0.2.41", "::ffff:192.0.2.41"),
    ],
)
def test_two_addresses_of_one_network_share_a_limit(nginx, first, second):
    assert (ask_from(nginx, first), ask_from(nginx, second)) == (PASSED_ON, LIMITED)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2001:db8:0:20:1:2:3:4", "2001:db8:0:21:1:2:3:4"),
        ("2001:db8:20::1", "2001:db8:20:1::1"),
        ("2001:db8:22::5:6", "2001:db8:23::5:6"),
        ("2001:db8:24:1::a", "2001:db8:24:2::a"),
        ("2001:db8:25:0a00::1", "2001:db8:25:0a01::1"),
        ("192.0.2.50", "192.0.2.51"),
        ("::ffff:192.0.2.52", "::ffff:192.0.2.53"),
    ],
)
def test_two_addresses_of_two_networks_do_not(nginx, first, second):
    assert (ask_from(nginx, first), ask_from(nginx, second)) == (PASSED_ON, PASSED_ON)
