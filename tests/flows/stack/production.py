"""The stack as in production: secrets of its own, TLS everywhere, nginx in front, no try-out mode.

Only the provider is simulated, as in staging: it is an allowed host with a certificate, in a private network
that the settings allow.
"""

import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from checkout.tryout.browser import Browser, Hop
from checkout.tryout.scenarios import FRICTIONLESS
from scripts.services.process import free_port
from tests.flows.stack.crowd import Crowd
from tests.flows.stack.shopping import Customer, NotedCard
from tests.support.certificates import self_signed
from tests.support.hosts import Host
from tests.support.nginx import Nginx
from tests.support.stack import Stack
from tests.support.waiting import wait_until

SECRET = "a-secret-that-only-this-provider-knows"
CREDENTIALS = {
    "user": "SANDBOXMERCHANT",
    "password": secrets.token_urlsafe(24),
    "mac_key": secrets.token_urlsafe(32),
    "issuer": "sandbox-issuer",
    "organisational_unit": "sandbox-unit",
    "notification_secret": SECRET,
}
# The code of a shop's own program, which uses the gateway's database.
ORDER = """
from checkout.payments.actions import create_payment
from checkout.payments.models import Merchant
from checkout.money import Money
for number in range({count}):
    payment = create_payment(
        Merchant.objects.get(code="example"),
        order_reference=f"{prefix}-{{number}}",
        amount=Money(1250, "GBP"),
        lines=[{{"sku": "TEA-100", "quantity": 1}}],
        description="Darjeeling tea",
    )
    print(payment.reference)
"""


@dataclass
class Production:
    stack: Stack
    nginx: Nginx
    addresses: Mapping[str, str]
    web_environment: Mapping[str, str]

    def orders(self, count: int = 1) -> list[str]:
        """Create so many payments and return their references."""
        code = ORDER.format(count=count, prefix=secrets.token_hex(4))
        lines = self.stack.manage("shell", "-c", code).splitlines()
        return [line for line in lines if line.startswith("pay_")]

    def wait_until_ready(self, name: str) -> None:
        """Wait until this web process is ready."""
        url = f"http://{self.addresses[name]}/readyz"

        def is_ready() -> bool:
            with suppress(requests.RequestException):
                return requests.get(url, headers={"Host": "localhost"}, timeout=5).ok
            return False

        wait_until(is_ready, f"{name} to take work", seconds=60)

    def pushes_of(self, reference: str) -> str:
        """Return the address of the WebSocket that the status page opens."""
        code = (
            f"from checkout.payments.actions import status_token; print('token', status_token('{reference}'))"
        )
        token = self.stack.manage("shell", "-c", code).partition("token ")[2].strip()
        return f"{self.nginx.url.replace('https', 'wss')}/ws/checkout/{reference}/?token={token}"

    def shopper(
        self,
        reference: str,
        holder: str = FRICTIONLESS,
        *,
        address: str = "127.0.0.1",
        on_hop: Callable[[Hop], None] = lambda hop: None,
    ) -> "Visitor":
        """Return a shopper at ``address``, which may be any of 127.0.0.0/8, for this payment."""
        browser = Browser(on_hop)
        browser._connections.verify = str(self.nginx.certificate.certificate)
        browser._connections.mount("https://", From(address))
        shopper = Visitor(browser, self.nginx.url, NotedCard(holder))
        shopper.reference = reference
        return shopper


class Visitor(Customer):
    """A shopper whom the merchant's shop has redirected to the checkout."""

    def order(self) -> Any:
        return self.browser.open(f"{self.url}/checkout/{self.reference}/")


@dataclass
class Visitors(Crowd):
    """A crowd whose payments were created beforehand."""

    production: Production = field(kw_only=True)
    references: list[str] = field(kw_only=True)

    @property
    def url(self) -> str:
        return self.production.nginx.url

    def newcomer(self, holder: str) -> Visitor:
        return self.production.shopper(self.references.pop(), holder, on_hop=self.hops.append)


class From(HTTPAdapter):
    """An adapter that connects from a given local address, with a false X-Forwarded-For header."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **options)

    def add_headers(self, request: requests.PreparedRequest, **_options: Any) -> None:
        request.headers["X-Forwarded-For"] = "203.0.113.66"


@contextmanager
def in_production(
    folder: Path,
    *,
    webs: int = 1,
    web_environment: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    own: Mapping[str, Mapping[str, str]] | None = None,
    hosts: Mapping[str, Host] | None = None,
    **options: Any,
) -> Iterator[Production]:
    """Run everything within the block, some of it on ``hosts``. ``options`` are passed to the stack."""
    certificate = self_signed(folder)
    card_keys = {"CHECKOUT_CARD_KEYS": b64encode(secrets.token_bytes(32)).decode()}
    of_web = {**card_keys, **(web_environment or {})}
    ports, sandbox = [free_port() for _ in range(webs)], free_port()
    hosts, own = hosts or {}, own or {}
    network = next((host.network for host in hosts.values()), None)
    edge, ranges = "127.0.0.1", ["127.0.0.0/8"]
    if network:
        edge = network.edge
        ranges.append(network.range)
    names = ["web", *(f"web-{number}" for number in range(2, webs + 1))]
    addresses = {
        name: f"{hosts[name].address if name in hosts else '127.0.0.1'}:{port}"
        for name, port in zip(names, ports, strict=True)
    }
    nginx = Nginx(
        folder / "nginx",
        certificate,
        webs=list(addresses.values()),
        sandbox=f"http://127.0.0.1:{sandbox}",
        provider_address=edge,
    )
    nginx.start()
    try:
        with Stack(
            folder,
            web_ports=ports,
            environment={
                "DEBUG": "false",
                "CHECKOUT_TRY_OUT": "false",
                "SECRET_KEY": secrets.token_urlsafe(50),
                "CHECKOUT_ADMIN_PASSWORD": secrets.token_urlsafe(16),
                "ALLOWED_HOSTS": "localhost",
                "PUBLIC_URL": nginx.url,
                "FORWARDED_ALLOW_IPS": edge,
                "HOST": "127.0.0.1",
                "CHECKOUT_PROVIDER_CREDENTIALS": json.dumps({"sandbox": CREDENTIALS}),
                "CHECKOUT_PROVIDER_HOSTS": urlsplit(nginx.provider_url).netloc,
                "CHECKOUT_PROVIDER_NETWORKS": ",".join(ranges),
                "CHECKOUT_PROVIDER_CA_FILE": str(certificate.certificate),
                "SANDBOX_URL": nginx.provider_url,
                "SANDBOX_PORT": str(sandbox),
                **(environment or {}),
            },
            hosts=hosts,
            web_environment=of_web,
            own={
                **own,
                **{name: {**card_keys, **own.get(name, {})} for name in ("payments", "payments-2")},
                "sandbox": {
                    "CHECKOUT_TRY_OUT": "true",
                    "SANDBOX_PASSWORD": CREDENTIALS["password"],
                    "SANDBOX_MAC_KEY": CREDENTIALS["mac_key"],
                    "SANDBOX_NOTIFICATION_URL": f"{nginx.url}/notifications/sandbox/{SECRET}/",
                    "SANDBOX_CA_FILE": str(certificate.certificate),
                },
            },
            **options,
        ) as stack:
            yield Production(stack, nginx, addresses, of_web)
    finally:
        nginx.stop()
