"""E-mail addresses as mail servers are told them."""

import re

import idna
from django.core.mail.message import sanitize_address

# Nearly all addresses. To read one takes Django a third of a millisecond.
_ATOM = r"[\w!#$%&'*+/^`{|}~-]+"
_PLAIN = re.compile(rf"{_ATOM}(\.{_ATOM})*@[\w.-]+", re.ASCII)
# The letters that are others by the rules of 2003, or nothing.
_ALTERED = frozenset("ßẞς\u200c\u200d")


def in_ascii(address: str) -> str:
    """Return the address with its domain in ASCII. Raises ``ValueError`` if e-mail to it would not arrive.

    Django writes a domain by the rules of 2003, by which straße.example is strasse.example, which may belong
    to another person. Browsers and registries follow those of 2008. Only a domain that these do not allow,
    as one with symbols, is left to Django, unless Django would make another one of it.

    Of some forms that are allowed before the @, Django makes another address. These are refused. Quotation
    marks that an address does not need are left out.
    """
    if _PLAIN.fullmatch(address):
        return address
    before, _, domain = address.rpartition("@")
    told = sanitize_address(f"{before}@{_domain_in_ascii(domain)}", "utf-8")
    left = told.rpartition("@")[0]
    if left != before and (f'"{left}"' != before or not _PLAIN.fullmatch(told)):
        raise ValueError("mail servers cannot be told this address as it is")
    return told


def identity_of(address: str) -> str:
    """Return the form in which addresses are compared, which is the same for all names of one domain.

    Letters are small also before the @, where most mail servers do not tell them apart either.
    """
    try:
        return in_ascii(address).lower()
    except ValueError:
        return address.lower()


def _domain_in_ascii(domain: str) -> str:
    """Return the domain by the rules of 2008 if they allow it, or as it is. Raises ``ValueError``."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        if _ALTERED.intersection(domain):
            raise
        return domain
