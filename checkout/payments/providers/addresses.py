"""The addresses of providers, to which shoppers' cards and our credentials are sent.

Staff enter an account's addresses; pages, policies and the transport use them. A person who edits an account,
or writes its row, could redirect cards to a host of their own. Each address is therefore compared with a list
that only the environment can change (``CHECKOUT_PROVIDER_HOSTS``), both when it is entered and when it is
used.
"""

from ipaddress import ip_address

from checkout.conf import conf
from checkout.conf.networks import address_of, is_in, is_public
from checkout.conf.origins import Origin, origin_of
from checkout.errors import ProviderMisconfigured

# Characters that end a directive of a policy, or an attribute of a page.
_ENDS = frozenset("'();")


def address_error(url: object) -> str:
    """Return why a provider must not be reached at ``url``; "" if it may."""
    origin = _origin(url)
    if origin is None:
        return "is not an absolute https address of plain ASCII characters"
    if conf.is_try_out and _is_of_a_try_out(origin):
        return ""
    if origin.scheme != "https":
        return "is not https"
    if origin.as_secure_host not in conf.provider_hosts:
        return f"has the host {origin.as_secure_host}, which is not one of CHECKOUT_PROVIDER_HOSTS"
    return ""


def require_allowed(url: str, name: str) -> str:
    """Return ``url``. Raises ``ProviderMisconfigured`` unless a provider may be reached there."""
    if fault := address_error(url):
        raise ProviderMisconfigured(f"The {name} {fault}.")
    return url


def policy_source(url: str) -> str:
    """Return ``url`` as a source in a Content-Security-Policy. Raises ``ProviderMisconfigured``."""
    return str(_origin(require_allowed(url, "address for the browser")))


def peer_error(text: str) -> str:
    """Return why a connection to this IP address must not be used for a provider; "" if it may."""
    address = address_of(text)
    if is_public(address) or is_in(address, conf.with_loopback_in_try_outs(conf.provider_networks)):
        return ""
    return f"{address} is not an address of the public internet, nor in CHECKOUT_PROVIDER_NETWORKS"


def _origin(url: object) -> Origin | None:
    return None if isinstance(url, str) and _ENDS.intersection(url) else origin_of(url)


def _is_of_a_try_out(origin: Origin) -> bool:
    """Return True for an origin of a try-out, with plain HTTP: one on this machine, or SANDBOX_URL's."""
    return origin == _origin(conf.sandbox_url) or _is_loopback(origin.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
