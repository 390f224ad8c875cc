"""The proxies that are believed when they say for whom they speak: uvicorn's ``FORWARDED_ALLOW_IPS``."""

from ipaddress import ip_network


def names_of(trusted: str) -> list[str]:
    """Return the addresses and networks in a setting that has commas between them."""
    return [name for name in trusted.replace(" ", "").split(",") if name]


def is_everybody(name: str) -> bool:
    """Return True for ``*``, and for a network that all addresses of a version are in."""
    if name == "*":
        return True
    try:
        return ip_network(name).prefixlen == 0
    except ValueError:
        return False
