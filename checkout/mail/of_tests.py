"""The addresses that may get receipts of test payments."""

from checkout.conf import conf
from checkout.mail.email_addresses import identity_of


def may_get_test_receipts(address: str) -> bool:
    """Return True if the operators allow receipts of test payments to this address.

    Anybody with a test key can make payments without money, and choose the address. In a try-out no e-mail
    leaves the machine, so all addresses are allowed.
    """
    if conf.is_try_out:
        return True
    identity = identity_of(address)
    domain = _domain_of(identity)
    return any(
        _domain_of(identity_of(f"x{allowed}")) == domain
        if allowed.startswith("@")
        else identity_of(allowed) == identity
        for allowed in conf.test_receipts_to
    )


def _domain_of(identity: str) -> str:
    return identity.rpartition("@")[2]
