"""Make, rotate, revoke and find API keys. A secret is returned once, and only its hash is kept."""

import re
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_network
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from checkout.api.access.scopes import Scope
from checkout.api.models import ApiKey
from checkout.conf import conf
from checkout.conf.api import API_VERSION, TRY_OUT_API_KEY
from checkout.conf.networks import address_of, is_in
from checkout.database.remembered import Remembered
from checkout.errors import DuplicateRequest, OperationRejected, RequestInvalid
from checkout.payments.actions.accounts import merchant_named
from checkout.payments.models import Merchant
from messaging.compiled_queries import Compiled, insert_unless_known

_ALPHABET = string.ascii_letters + string.digits
_RANDOM_LENGTH = 32
_SHOWN_LENGTH = 16
_SECRET = re.compile(rf"sk_(?:test|live)_[A-Za-z0-9]{{{_RANDOM_LENGTH}}}", re.ASCII)
# The time of the last use may be inexact, because only people read it, and each write has a cost.
LAST_USE_EVERY = timedelta(minutes=1)


def make_key(
    merchant: Merchant,
    *,
    name: str,
    scopes: Iterable[Scope] = tuple(Scope),
    by: str,
    expires_at: datetime | None = None,
    networks: Iterable[str] = (),
    replaces: ApiKey | None = None,
    secret: str = "",
    form_key: UUID | None = None,
) -> tuple[ApiKey, str]:
    """Return a new key of ``merchant`` and its secret, which cannot be read again.

    Only a try-out passes ``secret``, to make its published key. Raises ``DuplicateRequest`` if a key was made
    with this ``form_key`` before, and ``RequestInvalid`` with the name of an invalid field.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise RequestInvalid("name", "The name must have 1 to 100 characters.")
    if expires_at is not None and expires_at <= timezone.now():
        raise RequestInvalid("expires_at", "The time must be in the future.")
    secret = secret or f"sk_{'live' if merchant.is_live else 'test'}_{_random_text()}"
    key = ApiKey(
        merchant=merchant.code,
        name=name,
        prefix=secret[:_SHOWN_LENGTH],
        secret_hash=hash_of(secret),
        is_live=merchant.is_live,
        scopes=sorted(set(scopes)),
        networks=require_networks(networks),
        api_version=API_VERSION,
        expires_at=expires_at,
        replaces=replaces,
        created_by=by[:150],
        form_key=form_key,
    )
    if not insert_unless_known(key):
        raise DuplicateRequest("A key was already made with this form.")
    return key, secret


def _random_text() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))


@transaction.atomic
def rotate_key(
    pk: int, *, overlap: timedelta, by: str, form_key: UUID | None = None, is_sure: bool = False
) -> tuple[ApiKey, str]:
    """Return a new key with the rights of the old key, and its secret. The old key ends after ``overlap``.

    The new key gets the lifetime that the old key had when it was made.

    Raises ``OperationRejected`` if the old key is revoked or expired, if it is a test key of a live merchant,
    or, unless ``is_sure``, if it already has a valid successor. See ``make_key`` for ``form_key``.
    """
    old = _usable(pk)
    if not is_sure and valid_successors(old).exists():
        raise OperationRejected("The key was replaced already.")
    merchant = Merchant.objects.get(code=old.merchant)
    if old.is_live != merchant.is_live:
        raise OperationRejected(
            "The key is no longer valid, because its merchant was switched between live and test."
        )
    new = make_key(
        merchant,
        name=old.name,
        scopes=[Scope(each) for each in old.scopes],
        by=by,
        expires_at=_end_of_successor(old),
        networks=old.networks,
        replaces=old,
        form_key=form_key,
    )
    ends = timezone.now() + overlap
    old.expires_at = min(ends, old.expires_at or ends)
    old.save(update_fields=["expires_at"])
    return new


def valid_successors(key: ApiKey) -> QuerySet[ApiKey]:
    """Return the valid keys by which a key was replaced."""
    is_valid = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return key.successors.filter(is_valid, revoked_at=None)


def _end_of_successor(old: ApiKey) -> datetime | None:
    like = old
    # A rotation has shortened the lifetime of a replaced key, so the lifetime is taken from its successor.
    while (later := like.successors.order_by("pk").first()) is not None:
        like = later
    return None if like.expires_at is None else timezone.now() + (like.expires_at - like.created_at)


@transaction.atomic
def revoke_key(pk: int) -> ApiKey:
    """Revoke a key. Web processes may accept it for up to ``conf.remember_seconds`` more.

    Raises ``OperationRejected`` if the key is revoked or expired.
    """
    key = _usable(pk)
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at"])
    return key


def _usable(pk: int) -> ApiKey:
    key = ApiKey.objects.select_for_update().filter(pk=pk).first()
    if key is None or key.is_revoked or key.is_expired:
        raise OperationRejected("The key is no longer valid.")
    return key


def is_well_formed(secret: str) -> bool:
    """Return True if the text has the form of a key's secret."""
    return _SECRET.fullmatch(secret) is not None


def find_key(secret: str) -> tuple[ApiKey, Merchant] | None:
    """Return the key with this secret, valid or not, and its merchant; None if there is no such key.

    Outside a try-out the published key is not found, even if the database has its row. A test key of a live
    merchant and a live key of a test merchant are not found either.
    """
    if secret == TRY_OUT_API_KEY and not conf.is_try_out:
        return None
    key = _BY_HASH.first(hash_of(secret))
    merchant = None if key is None else merchant_named(key.merchant)
    if key is None or merchant is None or key.is_live != merchant.is_live:
        return None
    return key, merchant


_BY_HASH = Remembered(Compiled(lambda secret_hash: ApiKey.objects.filter(secret_hash=secret_hash)))


def record_use(key: ApiKey) -> None:
    """Write the time of the key's last use, unless it was written within the last minute."""
    now = timezone.now()
    long_ago = now - LAST_USE_EVERY
    if key.last_used_at is not None and key.last_used_at > long_ago:
        return
    due = Q(last_used_at=None) | Q(last_used_at__lte=long_ago)
    ApiKey.objects.filter(due, pk=key.pk).update(last_used_at=now)


def is_allowed_from(key: ApiKey, address: str) -> bool:
    """Return True if the key may be used from this address.

    If the address is not known, only a key without a list of networks may be used.
    """
    if not key.networks:
        return True
    try:
        return is_in(address_of(address), key.networks)
    except ValueError:
        return False


def hash_of(secret: str) -> str:
    """Return the hash under which a secret is stored."""
    return sha256(secret.encode()).hexdigest()


def require_networks(texts: Iterable[str]) -> list[str]:
    """Return networks in their canonical form. Raises ``RequestInvalid`` for a text that is not a network."""
    return [_network(text) for text in texts]


def _network(text: str) -> str:
    try:
        return str(ip_network(text.strip()))
    except ValueError:
        raise RequestInvalid(
            "networks", f"{text[:50]} is not a network. An example is 192.0.2.0/24."
        ) from None
