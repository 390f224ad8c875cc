"""Clients: the name under which each one is counted, and the count."""

from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network

from messaging import tallies
from payments_gateway.serving.problems import FULL, TOO_MANY, Problem
from payments_gateway.serving.scope import Scope

# RFC 6052, section 2.1: the last four bytes are the IPv4 address of a client in a network that has only IPv6.
_NAT64 = IPv6Network("64:ff9b::/96")


def client_of(scope: Scope) -> str:
    """Return the client's address (for IPv6, its network) as the server gives it; "" if it is unknown."""
    return network_of(scope["client"][0]) if scope.get("client") else ""


def network_of(address: str) -> str:
    """Return the identity of a client for counting: an IPv4 address, or the /64 network of an IPv6 address.

    The client chooses the rest of an IPv6 address itself (RFC 4291, section 2.5.4).
    """
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        return address
    embedded = embedded_ipv4(parsed)
    return parsed.packed[:8].hex() if embedded is None else str(embedded)


def embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address embeds by mapping or NAT64, or None."""
    return IPv4Address(address.packed[12:]) if address in _NAT64 else address.ipv4_mapped


class ClientCounter:
    """A count of the admitted clients, in total and for each client. Clients without entries take no memory.

    ``limit`` is the name of the limit, under which refusals are counted.
    """

    def __init__(self, limit: str) -> None:
        self._limit = limit
        self.total = 0
        self.by_client: dict[str, int] = {}

    def enter(self, client: str, *, most: int, most_of_client: int) -> Problem | None:
        """Count the client in, or return why it is refused. The unknown client "" has no limit of its own."""
        if self.total >= most:
            tallies.refusals.add(self._limit)
            return FULL
        inside = self.by_client.get(client, 0)
        if client and inside >= most_of_client:
            tallies.refusals.add(f"{self._limit}_per_address")
            return TOO_MANY
        self.total += 1
        self.by_client[client] = inside + 1
        return None

    def leave(self, client: str) -> None:
        """Remove a client that was counted in."""
        self.total -= 1
        inside = self.by_client.pop(client) - 1
        if inside:
            self.by_client[client] = inside
