"""The proxies that are trusted to name their clients: uvicorn's ``FORWARDED_ALLOW_IPS``."""

from ipaddress import ip_network


def is_everybody(name: str) -> bool:
    """Return True for ``*``, and for a network that contains all addresses of an IP version."""
    if name == "*":
        return True
    try:
        return ip_network(name).prefixlen == 0
    except ValueError:
        return False
