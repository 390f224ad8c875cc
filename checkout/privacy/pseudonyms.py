"""Keyed hashes in place of e-mail addresses and clients' addresses, for counting only.

They are made with the newest secret key. After a change of the key, counting starts again.
"""

from ipaddress import ip_address

from django.utils.crypto import salted_hmac

from checkout.conf import conf
from checkout.mail.email_addresses import identity_of
from payments_gateway.serving.clients import network_of


def of_email(email: str, *, is_test: bool = False) -> str:
    """Return the hash of an e-mail address, whatever the notation of its domain; "" for "".

    With ``is_test`` the hash differs, so that test payments are counted separately.
    """
    salt = "checkout.risk.email.test" if is_test else "checkout.risk.email"
    return _keyed_hash(salt, identity_of(email)) if email else ""


def of_client(address: str) -> str:
    """Return the hash of a client's address (for IPv6, of the /64 network); "" if it is not counted."""
    if not _is_address(address) or is_trying_out(address):
        return ""
    return _keyed_hash("checkout.client", network_of(address))


def is_trying_out(address: str) -> bool:
    """Return True in a try-out for this machine's addresses, from which any number of cards may be tried."""
    return conf.is_try_out and _is_address(address) and ip_address(address).is_loopback


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _keyed_hash(salt: str, value: str) -> str:
    return salted_hmac(salt, value, algorithm="sha256").hexdigest()
