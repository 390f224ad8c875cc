"""Tell addresses of the public internet from those of this machine and of private networks.

People who may enter a host name could make the gateway send requests to machines that only the gateway
reaches. Therefore the gateway connects to such hosts only at public addresses, or in networks that the
environment lists.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from payments_gateway.serving.clients import embedded_ipv4

LOOPBACK = ("127.0.0.0/8", "::1/128")
# Addresses that a relay or translator turns into other addresses: 6to4 (RFC 7526: not to be used), Teredo,
# local-use NAT64 (RFC 8215), IPv4-compatible (RFC 4291, 2.5.5.1), IPv4-translated (RFC 2765), and the
# deprecated site-local addresses (RFC 3879).
_TRANSLATED = tuple(
    map(IPv6Network, ("2002::/16", "2001::/32", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "fec0::/10"))
)
# The private networks of IPv6 (RFC 4193).
_UNIQUE_LOCAL = IPv6Network("fc00::/7")

Address = IPv4Address | IPv6Address


def address_of(text: str) -> Address:
    """Return the address without its zone, and the IPv4 address that it embeds. Raises ``ValueError``."""
    return unwrapped(ip_address(text.partition("%")[0]))


def identity_of(text: str) -> str:
    """Return the address that identifies a client: for IPv6, the first address of the /64 network.

    The rest of an IPv6 address is the client's own choice (RFC 4291, section 2.5.4). Raises ``ValueError``.
    """
    address = address_of(text)
    if isinstance(address, IPv4Address) or address.is_loopback:
        return str(address)
    return str(IPv6Network((address, 64), strict=False).network_address)


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds by mapping or NAT64, or else the address itself."""
    embedded = embedded_ipv4(address) if isinstance(address, IPv6Address) else None
    return address if embedded is None else embedded


def is_public(address: Address) -> bool:
    """Return True if the address can belong to a single machine on the public internet."""
    if isinstance(address, IPv6Address) and any(address in network for network in _TRANSLATED):
        return False
    return address.is_global and not address.is_multicast


def is_in(address: Address, networks: Iterable[str]) -> bool:
    """Return True if one of the networks contains the address."""
    return any(address in ip_network(network) for network in networks)


def is_loopback_name(host: str) -> bool:
    """Return True for a name, address or network that only this machine can reach."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_network(name).is_loopback
    except ValueError:
        return False


def is_world(name: str) -> bool:
    """Return True for ``*``, and for a network larger than that of any organisation."""
    if name == "*":
        return True
    try:
        network = ip_network(name)
    except ValueError:
        return False
    if isinstance(network, IPv6Network):
        return network.prefixlen < (7 if network.subnet_of(_UNIQUE_LOCAL) else 16)
    return network.prefixlen < 8
