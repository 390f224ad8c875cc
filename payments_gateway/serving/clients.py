"""The identity under which a client is counted."""

from ipaddress import AddressValueError, IPv6Address

from payments_gateway.serving.scope import Scope


def client_of(scope: Scope) -> str:
    """Return the client's address (for IPv6, its network) as the server gives it; "" if it is unknown."""
    return network_of(scope["client"][0]) if scope.get("client") else ""


def network_of(address: str) -> str:
    """Return the identity of a client for counting: an IPv4 address, or the /64 network of an IPv6 address.

    The rest of an IPv6 address is the client's own choice (RFC 4291, section 2.5.4).
    """
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()
