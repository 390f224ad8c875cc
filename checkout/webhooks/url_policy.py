"""The addresses to which webhooks may be sent.

A merchant names them, so they could lead to machines that only the gateway reaches. Names are checked when
they are entered, for what can be known without looking them up. Each IP address is checked at the moment of
the connection.
"""

import re
from ipaddress import ip_address
from typing import Literal

from checkout.conf import conf
from checkout.conf.networks import LOOPBACK, address_of, is_in, is_public

MAX_CHARACTERS = 500
# Ports at which a program other than a web server would be reached are not for webhooks.
PUBLIC_PORTS = (443, 8443)
Scheme = Literal["http", "https"]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# No user, no backslash, no fragment, nothing beyond ASCII: nothing that two parsers may read differently.
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?:[/?][\w.~:@!$&'()*+,;=%/?-]*)?",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAMES_OF_LOOPBACK = ("localhost", "test")
# A last label that is a number makes the host an IPv4 address, in whatever notation (URL standard, 3.5).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def url_error(url: object, *, is_new: bool = False) -> str:
    """Return why webhooks cannot be sent to ``url``, as far as can be said without a look-up; "" if not.

    The name of a new one is judged by what it is likely to lead to, so that its owner learns it at once.
    """
    if not isinstance(url, str) or len(url) > MAX_CHARACTERS:
        return f"is not an address of at most {MAX_CHARACTERS} characters"
    found = _URL.fullmatch(url)
    if found is None:
        return "is not an absolute https address of plain ASCII characters, without user and fragment"
    scheme: Scheme = "https" if found["scheme"].lower() == "https" else "http"
    host, port = found["host"].lower(), int(found["port"] or _DEFAULT_PORTS[scheme])
    if port > 65_535:
        return "has no possible port"
    if is_literal(host):
        return ip_literal_error(host, port, scheme)
    may_be_ours = _may_lead_into_allowed_networks(host) if is_new else bool(allowed_networks())
    if not may_be_ours:
        return _internet_error(port, scheme)
    return ""


def _may_lead_into_allowed_networks(name: str) -> bool:
    """Return False if a connection to the host's address would surely be judged as one to the internet.

    Loopback, which a try-out allows, has names that are reserved for it and for tests (RFC 6761). Any name
    may lead into networks that operators have listed.
    """
    is_of_a_developer = name.rpartition(".")[2] in _NAMES_OF_LOOPBACK
    return bool(conf.webhook_allowed_networks) or (conf.is_try_out and is_of_a_developer)


def is_literal(host: str) -> bool:
    """Return True if ``host`` is an IP address, in a usual or an unusual notation, rather than a name."""
    return host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def ip_literal_error(host: str, port: int, scheme: Scheme) -> str:
    """Return why no connection may be made to a host that is an IP address; "" if it may."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return f"has a host that is no IP address in its usual notation: {host}"
    return peer_error(host.strip("[]"), port, scheme)


def peer_error(text: str, port: int, scheme: Scheme) -> str:
    """Return why no connection may be made to this IP address and port; "" if it may."""
    address = address_of(text)
    if is_in(address, allowed_networks()):
        return ""
    if not is_public(address):
        # Without the address: merchants read this, and could ask our own name servers through us.
        return "leads to a machine that is not on the public internet"
    return _internet_error(port, scheme)


def allowed_networks() -> tuple[str, ...]:
    """Return the networks in which webhooks may be sent with plain HTTP, and to any port."""
    return (*conf.webhook_allowed_networks, *(LOOPBACK if conf.is_try_out else ()))


def _internet_error(port: int, scheme: Scheme) -> str:
    if scheme != "https":
        return "is not https"
    if port not in PUBLIC_PORTS:
        return f"has the port {port}, and webhooks go to {' and '.join(map(str, PUBLIC_PORTS))} only"
    return ""
