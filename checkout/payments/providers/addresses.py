"""The addresses of providers, to which shoppers' cards and our credentials may be sent.

Staff enter an account's addresses; pages, policies and the transport use them. A person who edits an account,
or writes its row, could redirect cards to a host of their own. Each address is therefore compared with a list
that only the environment can change (``CHECKOUT_PROVIDER_HOSTS``), both when it is entered and when it is
used.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from checkout.conf import conf
from checkout.conf.networks import LOOPBACK, address_of, is_in, is_public
from checkout.errors import ProviderMisconfigured

MAX_CHARACTERS = 500
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]"
# No character that ends a directive, an attribute or a header, and nothing that two parsers may read
# differently: no user, no backslash, no blank, no empty label, nothing beyond ASCII.
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    r"(?:[/?][\w.~:@!$&*+,=%/?-]*)?",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """The part of an address that determines the receiver."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self._with_port(_DEFAULT_PORTS[self.scheme])}"

    @property
    def listed_as(self) -> str:
        """The form in which ``CHECKOUT_PROVIDER_HOSTS`` lists the host."""
        return self._with_port(_DEFAULT_PORTS["https"])

    def _with_port(self, implied: int) -> str:
        return self.host if self.port == implied else f"{self.host}:{self.port}"


def fault_of_address(url: object) -> str:
    """Return why a provider must not be reached at ``url``; "" if it may."""
    origin = _origin(url)
    if origin is None:
        return "is not an absolute https address of plain ASCII characters"
    if conf.is_try_out and _is_of_a_try_out(origin):
        return ""
    if origin.scheme != "https":
        return "is not https"
    if origin.listed_as not in conf.provider_hosts:
        return f"has the host {origin.listed_as}, which is not one of CHECKOUT_PROVIDER_HOSTS"
    return ""


def require_allowed(url: str, name: str) -> str:
    """Return ``url``. Raises ``ProviderMisconfigured`` unless a provider may be reached there."""
    if fault := fault_of_address(url):
        raise ProviderMisconfigured(f"The {name} {fault}.")
    return url


def policy_source(url: str) -> str:
    """Return ``url`` as a source in a Content-Security-Policy. Raises ``ProviderMisconfigured``.

    A path without a host is one of our own, which only the provider without a network uses.
    """
    if re.match(r"/(?![/\\])", url):
        return "'self'"
    return str(_origin(require_allowed(url, "address for the browser")))


def fault_of_peer(text: str) -> str:
    """Return why a connection to this IP address must not be used for a provider; "" if it may."""
    address = address_of(text)
    if is_public(address):
        return ""
    if is_in(address, (*conf.provider_networks, *(LOOPBACK if conf.is_try_out else ()))):
        return ""
    return f"{address} is not an address of the public internet, nor in CHECKOUT_PROVIDER_NETWORKS"


def _origin(url: object) -> Origin | None:
    if not isinstance(url, str) or len(url) > MAX_CHARACTERS:
        return None
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return None
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    return Origin(scheme, host, port) if port < 65_536 else None


def _is_of_a_try_out(origin: Origin) -> bool:
    """Return True for an origin of a try-out, with plain HTTP: on this machine, or that of SANDBOX_URL."""
    return origin == _origin(conf.sandbox_url) or _is_loopback(origin.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
