"""The policy for addresses to which webhooks may be sent.

Merchants enter the addresses. An address could lead to a machine that only the gateway can reach. A URL is
checked without a look-up when it is entered. Each IP address is checked at the moment of the connection.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from checkout.conf import conf
from checkout.conf.networks import address_of, is_in, is_public
from checkout.conf.origins import MAX_CHARACTERS, Scheme, origin_of

# Other ports are refused, because they could reach programs other than web servers.
PUBLIC_PORTS = (443, 8443)
_NAMES_OF_LOOPBACK = ("localhost", "test")
# A host whose last label is a number is an IPv4 address, perhaps in an unusual notation (URL standard, 3.5).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def url_error(url: object, *, is_new: bool = False) -> str:
    """Return the reason for which webhooks cannot be sent to ``url``; "" if none is known without a look-up.

    If the URL ``is_new``, its host name is also checked for its likely network, so that the merchant gets the
    error at once.
    """
    origin = origin_of(url)
    if origin is None:
        return (
            f"is not an absolute https address of at most {MAX_CHARACTERS} plain ASCII characters, without "
            "user and fragment"
        )
    host, port, scheme = origin.host, origin.port, origin.scheme
    if is_literal(host):
        return ip_literal_error(host, port, scheme)
    may_be_ours = _may_lead_into_allowed_networks(host) if is_new else bool(allowed_networks())
    if not may_be_ours:
        return _internet_error(port, scheme)
    return ""


def _may_lead_into_allowed_networks(name: str) -> bool:
    """Return False if the host is certainly not in the networks that operators allow.

    If operators list networks, any name may lead into them. A try-out also allows loopback, which has
    reserved names (RFC 6761).
    """
    is_of_a_developer = name.rpartition(".")[2] in _NAMES_OF_LOOPBACK
    return bool(conf.webhook_allowed_networks) or (conf.is_try_out and is_of_a_developer)


def is_literal(host: str) -> bool:
    """Return True if ``host`` is an IP address in any notation, and not a name."""
    return host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def ip_literal_error(host: str, port: int, scheme: Scheme) -> str:
    """Return the reason for which no connection may be made to an IP address; "" if there is none."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return f"has a host that is not an IP address in its usual notation: {host}"
    return peer_error(host.strip("[]"), port, scheme)


def peer_error(text: str, port: int, scheme: Scheme) -> str:
    """Return the reason for which no connection to this IP address and port may be made; "" if it may."""
    address = address_of(text)
    if is_in(address, allowed_networks()):
        return ""
    if not is_public(address):
        # The address is not named, because merchants could use it to query our internal name servers.
        return "leads to a machine that is not on the public internet"
    return _internet_error(port, scheme)


def allowed_networks() -> Sequence[str]:
    """Return the networks in which webhooks may be sent with plain HTTP, and to any port."""
    return conf.with_loopback_in_try_outs(conf.webhook_allowed_networks)


def _internet_error(port: int, scheme: Scheme) -> str:
    if scheme != "https":
        return "is not https"
    if port not in PUBLIC_PORTS:
        return f"has the port {port}, but only {' and '.join(map(str, PUBLIC_PORTS))} are allowed"
    return ""
